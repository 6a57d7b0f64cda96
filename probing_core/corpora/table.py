"""Building the rows of a corpus, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import pandas as pd

from probing_core.corpora.base import COLUMNS

FLAGS = ("color", "geometry")


def make_rows(columns: Mapping[str, object]) -> pd.DataFrame:
    """A table with `COLUMNS` in order, then the further ``columns``.

    Every column of strings that is not given is empty, ``base_id`` is the ``image_id``, flags are True.
    """
    rows = pd.DataFrame(dict(columns))
    for column in COLUMNS:
        if column not in rows:
            rows[column] = rows["image_id"] if column == "base_id" else column in FLAGS or ""
    further = [column for column in rows if column not in COLUMNS]
    return rows[[*COLUMNS, *further]].reset_index(drop=True)


def content_digest(content: bytes) -> bytes:
    """Digest of one encoded picture."""
    return hashlib.blake2b(content, digest_size=16).digest()


def fingerprint(rows: pd.DataFrame, digests: Iterable[bytes]) -> str:
    """Hex digest of ``rows`` and of the digests of their sources (`content_digest`), in order; nothing is decoded."""
    total = hashlib.blake2b(digest_size=16)
    total.update(json.dumps([list(rows.columns), rows.astype(object).values.tolist()]).encode())
    for one in digests:
        total.update(one)
    return total.hexdigest()
