"""Corpora: rows that describe images, and a way to load each of them; pictures are never all in memory."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from probing_core.images import Image

SPLITS = ("train", "val", "test", "pretrain", "calibrate")
"""Names of splits; a corpus may have none."""

NOT_FOR_PROBES = ("pretrain", "calibrate")
"""Splits that no run takes probe images from; ``calibrate`` is for calibrating verdicts."""

COLUMNS = {
    "image_id": "string, unique",
    "base_id": "string, the photograph the image was cut from; the image_id if it is one",
    "label": "string, the content; empty if unknown",
    "split": "train, val, test, pretrain or calibrate; empty if the corpus has none (then by photograph, 60/20/20)",
    "license": "string",
    "color": "bool, False for pictures that leave all classes (paintings, cartoons, near-gray)",
    "geometry": "bool, False for pictures that are padded or cut out and unfit for geometry",
    "why_not": "string, why a row with a False flag is left out; empty otherwise",
}


@dataclass(frozen=True, kw_only=True)
class CorpusKind:
    """A kind of source that can be opened, an entry of the catalog.

    Attributes:
        name: the part before the colon, e.g. ``"folder"``.
        argument: the part after it, in one word (``"PATH"``); empty where there is none.
        is_path: whether the argument may be a path on this machine.
        license: of the pictures, in words.
        open: the argument -> `Corpus`; raises `BadCorpus`.
    """

    name: str
    argument: str = ""
    is_path: bool = False
    description: str
    license: str
    open: Callable[[str], Corpus] = field(repr=False)

    @property
    def usage(self) -> str:
        """The form of its names: ``folder:PATH``."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


MAX_NAMED = 3
"""Largest number of skipped sources that a sentence names."""


class Corpus(ABC):
    """Images with ids, labels, splits and licenses.

    Attributes:
        name: as in commands: ``photos``, ``folder:PATH``.
        description: one sentence, free of paths.
        rows: a table with `COLUMNS`, in a fixed order; a kind may append columns.
        skipped: (name, reason) of every source that was left out.
        recipe: default entries of a run's recipe over this corpus.
    """

    name: str
    description: str
    rows: pd.DataFrame
    skipped: Sequence[tuple[str, str]] = ()
    recipe: Mapping[str, Any] = MappingProxyType({})

    @property
    def skipped_summary(self) -> str:
        """A sentence on how many sources were left out, with the reasons of the first; empty where none was."""
        if not self.skipped:
            return ""
        first = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:MAX_NAMED])
        more = "; ..." if len(self.skipped) > MAX_NAMED else "."
        count = f"{len(self.skipped)} files are" if len(self.skipped) > 1 else "1 file is"
        return f"{count} left out. {first.rstrip('.')}{more}"

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A digest of every picture and of ``rows``, independent of where the files are."""

    @abstractmethod
    def load(self, image_id: str) -> Image:
        """Read the picture, decoded by `probing_core.images`; any size.

        Raises:
            BadImage: it cannot be read.
        """


FLAGS = ("color", "geometry")

PROSE = ("license", "why_not", "source")
"""Columns that no computation depends on, and that are no part of a fingerprint."""

ROWS = 4096
"""Rows that are digested together."""


def make_rows(columns: Mapping[str, object]) -> pd.DataFrame:
    """Make a table with `COLUMNS` in order, then the other ``columns``.

    Missing columns are empty, except ``base_id``, which is ``image_id``, and flags, which are True.
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
    """Return a hex digest of ``rows``, without `PROSE`, and of the `content_digest` of each."""
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
        """A digest of every picture and of ``rows``."""
        return fingerprint(self.rows, self._digests)

    def _take(self, image_id: str, digest: bytes, label: str, split: str = "") -> bool:
        base_id, base_split = self._first_with.setdefault(digest, (image_id, split))
        if split != base_split:
            self.skipped.append((image_id, f"has the same bytes as {base_id}, which is in another split"))
            return False
        for column, value in zip(self._columns.values(), (image_id, base_id, label, split), strict=True):
            column.append(value)
        self._digests.append(digest)
        return True

    def _finish(self) -> str:
        self.rows = make_rows(self._columns)
        return f"{len(set(self.rows['label']) - {''}) or 'no'} labels"
