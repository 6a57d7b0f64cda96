"""Corpora: rows that describe images, and a way to load each of them; pictures are never all in memory."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from probing_core.errors import BadConfig
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
        has_global_ids: whether a ``base_id`` names the same photograph in every corpus. Ids that are file names or
            positions do not: two folders may both hold ``IMG_0001.jpg``.
        stays_in_process: whether `Workers` may not copy it to other processes, since it may be as large as memory.
    """

    name: str
    description: str
    rows: pd.DataFrame
    skipped: Sequence[tuple[str, str]] = ()
    recipe: Mapping[str, Any] = MappingProxyType({})
    has_global_ids: bool = False
    stays_in_process: bool = False

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

    def _take(self, image_id: str, digest: bytes, label: str, split: str = "") -> None:
        """Add a picture, or leave it out where it is a copy of one in another split."""
        base_id, base_split = self._first_with.setdefault(digest, (image_id, split))
        if split != base_split:
            self.skipped.append((image_id, f"has the same bytes as {base_id}, which is in another split"))
            return
        row = {"image_id": image_id, "base_id": base_id, "label": label, "split": split}
        for column, value in row.items():
            self._columns[column].append(value)
        self._digests.append(digest)

    def _finish(self) -> str:
        self.rows = make_rows(self._columns)
        return f"{len(set(self.rows['label']) - {''}) or 'no'} labels"


TRAIN, VAL = 0.6, 0.2
"""Shares of base images in the splits; the rest is the test split."""


def assign_splits(base_ids: Sequence[str], seed: int) -> np.ndarray:
    """Return (N,) splits, 60/20/20 over base images: all rows of a base image share one.

    Base images are ordered by a hash of seed and name, so that the order of rows does not matter.
    """
    ordered = _ordered(base_ids, seed)
    first, second = round(TRAIN * len(ordered)), round((TRAIN + VAL) * len(ordered))
    split = {base: "train" if i < first else "val" if i < second else "test" for i, base in enumerate(ordered)}
    return np.array([split[base] for base in base_ids], dtype=object)


def assign_groups(base_ids: Sequence[str], seed: int, most: int) -> np.ndarray:
    """Return (N,) groups from 0 up, at most ``most``, for cross-validation: all rows of a base image share one.

    Base images are dealt in the order of `assign_splits`, so that the sizes of groups differ by one at most.
    """
    group = {base: i % most for i, base in enumerate(_ordered(base_ids, seed))}
    return np.array([group[base] for base in base_ids])


def _ordered(base_ids: Sequence[str], seed: int) -> list[str]:
    return sorted(set(base_ids), key=lambda base: hashlib.blake2b(f"{seed}|{base}".encode()).digest())


def limit_rows(rows: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """Return ``limit`` of ``rows`` (all, where there are no more), in their order.

    Every split keeps its share (rounded by largest remainder); within a split rows are taken in the order of `drawn`.
    """
    if limit is None:
        return rows
    wanted = shares(rows, limit)
    if limit >= len(rows):
        return rows
    order = drawn(rows)
    split = rows.loc[order, "split"].to_numpy()
    taken = np.concatenate([order[split == name][:share] for name, share in wanted.items()])
    return rows.loc[rows.index.isin(taken)]


def shares(rows: pd.DataFrame, limit: int) -> dict[str, int]:
    """Return how many of ``limit`` images each split of ``rows`` gets."""
    if limit < 1:
        raise BadConfig(f"A limit of {limit} leaves no image; expected at least 1.")
    sizes = rows.groupby("split", sort=True).size()
    given = sizes.to_numpy() if limit >= len(rows) else _largest_remainder(sizes.to_numpy(), limit)
    return {str(name): int(share) for name, share in zip(sizes.index, given, strict=True)}


def drawn(rows: pd.DataFrame) -> pd.Index:
    """Return the index of ``rows`` in the order in which they are taken where not all are wanted.

    Base images take turns, ordered by a hash of their names, since the order of a corpus may be by label.
    """
    turn = rows.groupby(["split", "base_id"], sort=False).cumcount().to_numpy()
    bases = rows["base_id"].tolist()
    place = {base: hashlib.blake2b(f"turn|{base}".encode()).digest() for base in set(bases)}
    return rows.index[sorted(range(len(rows)), key=lambda i: (turn[i], place[bases[i]]))]


def _largest_remainder(sizes: np.ndarray, total: int) -> np.ndarray:
    exact = sizes * total / sizes.sum()
    shares = np.floor(exact).astype(int)
    largest_first = np.argsort(shares - exact, kind="stable")
    shares[largest_first[: total - shares.sum()]] += 1
    return shares
