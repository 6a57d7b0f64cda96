"""Image sources: ``photos``, ``reference``, ``folder:PATH``, ``parquet:FILE`` and ``hub:NAME``.

Other packages can add a `CorpusKind` through the entry point group ``probing.corpora``.
"""

from __future__ import annotations

import os

from probing_core.catalog import Catalog
from probing_core.corpora import data_sets, folder, parquet, photos
from probing_core.corpora.corpus import (
    COLUMNS,
    Corpus,
    CorpusKind,
    assign_groups,
    assign_splits,
    drawn,
    limit_rows,
    shares,
)
from probing_core.errors import BadCorpus, UnknownName

__all__ = [
    "COLUMNS",
    "KINDS",
    "Corpus",
    "CorpusKind",
    "absolute_name",
    "assign_groups",
    "assign_splits",
    "drawn",
    "is_remote",
    "limit_rows",
    "open_corpus",
    "shares",
]

KINDS: Catalog[CorpusKind] = Catalog(
    "corpus",
    (photos.KIND, parquet.REFERENCE, folder.KIND, parquet.KIND, data_sets.KIND),
    entry_point_group="probing.corpora",
)


def open_corpus(name: str) -> Corpus:
    """Open the corpus ``name``: a kind, followed by ``:`` and an argument if the kind requires one.

    Raises:
        UnknownName: the kind does not exist, or ``name`` is a path without a kind.
        BadCorpus: the corpus cannot be read, or the argument is missing or not allowed.
    """
    kind_name, colon, argument = name.partition(":")
    if kind_name not in KINDS and ("/" in kind_name or os.sep in kind_name):
        raise UnknownName(
            f"'{name}' is a path without a corpus kind. Use 'folder:{name}' for a folder of images, or "
            f"'parquet:{name}' for a Parquet file."
        )
    kind = KINDS.get(kind_name)
    if kind.argument and not argument:
        raise BadCorpus(f"The corpus '{name}' requires a {kind.argument}. Use '{kind.usage}'.")
    if colon and not kind.argument:
        raise BadCorpus(f"The corpus '{kind.name}' does not take an argument; got '{name}'. Use '{kind.usage}'.")
    return kind.open(argument)


def is_remote(name: str) -> bool:
    """Return whether the images of the corpus ``name`` are at a URL, so that opening the corpus uses the network."""
    return "://" in name.partition(":")[2]


def absolute_name(name: str) -> str:
    """Return ``name`` with an absolute path instead of a relative path to an existing file or folder."""
    kind, _, argument = name.partition(":")
    path = os.path.expanduser(argument)
    is_path = argument and KINDS.get(kind).is_path and os.path.exists(path)
    return f"{kind}:{os.path.abspath(path)}" if is_path else name
