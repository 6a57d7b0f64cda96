"""Where images come from: ``photos``, ``reference``, ``folder:PATH``, ``parquet:FILE`` and ``hub:NAME``.

Third parties list a `CorpusKind` under the entry point group ``probing.corpora``.
"""

from __future__ import annotations

import os

from probing_core.catalog import Catalog
from probing_core.corpora import data_sets, folder, parquet, photos
from probing_core.corpora.base import (
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
    """Open the corpus called ``name``: a kind, and if the kind takes an argument, ``:`` and the argument.

    Raises:
        UnknownName: there is no such kind, or a path is given without one.
        BadCorpus: it cannot be read, or the argument is missing or not wanted.
    """
    kind_name, colon, argument = name.partition(":")
    if kind_name not in KINDS and ("/" in kind_name or os.sep in kind_name):
        raise UnknownName(
            f"'{name}' is a path, and a corpus begins with its kind: write 'folder:{name}' for a folder of pictures, "
            f"'parquet:{name}' for a table."
        )
    kind = KINDS.get(kind_name)
    if kind.argument and not argument:
        raise BadCorpus(f"The corpus '{name}' lacks its {kind.argument}; write '{kind.usage}'.")
    if colon and not kind.argument:
        raise BadCorpus(f"The corpus '{kind.name}' takes nothing after its name, got '{name}'; write '{kind.usage}'.")
    return kind.open(argument)


def absolute_name(name: str) -> str:
    """Return ``name`` with its path, if any, made absolute, so that it means the same in every working folder."""
    kind, _, argument = name.partition(":")
    path = os.path.expanduser(argument)
    is_path = argument and KINDS.get(kind).is_path and os.path.exists(path)
    return f"{kind}:{os.path.abspath(path)}" if is_path else name
