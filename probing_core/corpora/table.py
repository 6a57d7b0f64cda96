"""Building the rows of a corpus, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import pandas as pd

from probing_core.corpora.base import COLUMNS, Corpus

FLAGS = ("color", "geometry")

PROSE = ("license", "why_not", "source")
"""Columns that say something of a picture and change nothing that is made of it: no part of a fingerprint."""

ROWS = 4096
"""Rows that are digested together."""


def make_rows(columns: Mapping[str, object]) -> pd.DataFrame:
    """Make a table with `COLUMNS` in order, then the further ``columns``.

    Every column of strings that is not given is empty, ``base_id`` is the ``image_id``, flags are True.
    """
    rows = pd.DataFrame(dict(columns))
    for column in COLUMNS:
        if column not in rows:
            rows[column] = rows["image_id"] if column == "base_id" else column in FLAGS or ""
    further = [column for column in rows if column not in COLUMNS]
    return rows[[*COLUMNS, *further]].reset_index(drop=True)


def content_digest(content: bytes) -> bytes:
    """Return the digest of one encoded picture."""
    return hashlib.blake2b(content, digest_size=16).digest()


def fingerprint(rows: pd.DataFrame, digests: Iterable[bytes]) -> str:
    """Return a hex digest of ``rows``, less `PROSE`, and of their sources' `content_digest`; nothing is decoded."""
    rows = rows.drop(columns=list(PROSE), errors="ignore")
    total = hashlib.blake2b(digest_size=16)
    total.update(f"[{json.dumps(list(rows.columns))}, [".encode())
    for start in range(0, len(rows), ROWS):  # as objects, all of them would take a kilobyte each
        text = json.dumps(rows.iloc[start : start + ROWS].astype(object).values.tolist())[1:-1]
        total.update(f"{', ' if start else ''}{text}".encode())
    total.update(b"]]")
    for one in digests:
        total.update(one)
    return total.hexdigest()


class DigestedCorpus(Corpus):
    """A corpus whose pictures are all read once, for rows and fingerprint.

    Copies of a picture (same bytes) share their base image. They must share their split, too, or the later one is
    listed in ``skipped``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped: list[tuple[str, str]] = []
        self._columns: dict[str, list[str]] = {"image_id": [], "base_id": [], "label": [], "split": []}
        self._digests: list[bytes] = []
        self._first_with: dict[bytes, tuple[str, str]] = {}

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.rows, self._digests)

    def _take(self, image_id: str, digest: bytes, label: str, split: str = "") -> bool:
        """Add a picture of this `content_digest`; return whether it was added."""
        base_id, base_split = self._first_with.setdefault(digest, (image_id, split))
        if split != base_split:
            self.skipped.append((image_id, f"has the same bytes as {base_id}, which is in another split"))
            return False
        for column, value in zip(self._columns.values(), (image_id, base_id, label, split), strict=True):
            column.append(value)
        self._digests.append(digest)
        return True

    def _finish(self) -> str:
        """Make ``rows`` of the pictures that were added; return how many labels there are, in words."""
        self.rows = make_rows(self._columns)
        return f"{len(set(self.rows['label']) - {''}) or 'no'} labels"
