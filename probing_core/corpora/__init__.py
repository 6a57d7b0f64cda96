"""Corpora: where images come from. One file for each kind of source, joined in one catalog.

``open_corpus("photos")``, ``open_corpus("folder:PATH")``, ``open_corpus("parquet:FILE")``,
``open_corpus("webdataset:ADDRESS")``, ``open_corpus("hf:OWNER/NAME")``,
``open_corpus("torchvision:NAME")``. Third parties list a `CorpusKind` under the entry point group
``probing.corpora``.
"""

from __future__ import annotations

import os

from probing_core.catalog import Catalog
from probing_core.corpora import folder, huggingface, parquet, photos, torchvision_, webdataset
from probing_core.corpora.base import COLUMNS, Corpus, CorpusKind
from probing_core.corpora.selection import assign_splits, drawn, limit_rows, shares
from probing_core.errors import BadCorpus

__all__ = [
    "COLUMNS",
    "Corpus",
    "CorpusKind",
    "assign_splits",
    "drawn",
    "limit_rows",
    "list_corpora",
    "open_corpus",
    "same_name",
    "shares",
]

KINDS: Catalog[CorpusKind] = Catalog(
    "corpus",
    (photos.KIND, folder.KIND, parquet.KIND, webdataset.KIND, huggingface.KIND, torchvision_.KIND),
    entry_point_group="probing.corpora",
)


def list_corpora() -> tuple[CorpusKind, ...]:
    """Every kind of corpus, third parties' last; opens none."""
    return KINDS.all


def open_corpus(name: str) -> Corpus:
    """The corpus called ``name``: a kind, and where the kind takes one, ``:`` and its argument.

    Raises:
        UnknownName: there is no such kind.
        BadCorpus: it cannot be read, or the argument is missing or not wanted.
    """
    kind_name, colon, argument = name.partition(":")
    kind = KINDS.get(kind_name)
    if kind.argument and not argument:
        raise BadCorpus(f"The corpus '{name}' lacks its {kind.argument}; write '{kind.usage}'.")
    if colon and not kind.argument:
        raise BadCorpus(f"The corpus '{kind.name}' takes nothing after its name, got '{name}'; write '{kind.usage}'.")
    return kind.open(argument)


def same_name(a: str, b: str) -> bool:
    """Whether ``a`` and ``b`` name one corpus: a path may be written in several ways."""
    (kind_a, _, argument_a), (kind_b, _, argument_b) = a.partition(":"), b.partition(":")
    if not (argument_a and argument_b):
        return a == b
    one, other = (os.path.abspath(os.path.expanduser(argument)) for argument in (argument_a, argument_b))
    return kind_a == kind_b and one == other
