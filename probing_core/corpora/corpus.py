"""Corpora: tables that describe images, and functions that load the images one by one."""

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
"""Names of splits. A corpus may have no splits."""

NOT_FOR_PROBES = ("pretrain", "calibrate")
"""Splits that are not used for probes. The split ``calibrate`` is used to calibrate answers."""

COLUMNS = {
    "image_id": "string, unique",
    "base_id": "string, photograph from which the image was cut; the image_id if it is a full photograph",
    "label": "string, the content; empty if unknown",
    "split": "train, val, test, pretrain or calibrate; empty to split photographs 60/20/20",
    "license": "string",
    "color": "bool, False for images that are excluded from all classes (paintings, cartoons, near-gray images)",
    "geometry": "bool, False for padded or cut-out images, which are unsuitable for geometry",
    "why_not": "string, why a row with a False flag is excluded; empty otherwise",
}


@dataclass(frozen=True, kw_only=True)
class CorpusKind:
    """Catalog entry for a kind of corpus.

    Attributes:
        name: the part before the colon, such as ``"folder"``.
        argument: placeholder for the part after the colon (``"PATH"``); empty if the kind takes no argument.
        is_path: whether the argument may be a local path.
        description: one or two sentences about the images.
        license: license of the images, as text.
        open: function that opens the `Corpus` for an argument, or raises `BadCorpus`.
    """

    name: str
    argument: str = ""
    is_path: bool = False
    description: str
    license: str
    open: Callable[[str], Corpus] = field(repr=False)

    @property
    def usage(self) -> str:
        """Name pattern, such as ``folder:PATH``."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


MAX_SKIPPED_NAMED = 3
"""Maximum number of skipped files listed in a message."""


class Corpus(ABC):
    """Images with IDs, labels, splits and licenses.

    Attributes:
        name: name as on the command line: ``photos``, ``folder:PATH``.
        description: short description without paths.
        rows: table with `COLUMNS` and optional additional columns, one row per image in a fixed order.
        skipped: (name, reason) of every skipped file.
        recipe: default recipe entries for a run on this corpus.
        has_global_ids: whether a ``base_id`` identifies the same photograph in every corpus. File names and positions
            do not: two folders may both contain ``IMG_0001.jpg``.
        stays_in_process: whether `Workers` must not copy the corpus to other processes, because it may be very large.
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
        """Sentences with the number of skipped files and the first reasons; empty if no files were skipped."""
        if not self.skipped:
            return ""
        first = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:MAX_SKIPPED_NAMED])
        ending = "; ..." if len(self.skipped) > MAX_SKIPPED_NAMED else "."
        count = f"{len(self.skipped)} files were" if len(self.skipped) > 1 else "1 file was"
        return f"{count} skipped. {first.rstrip('.')}{ending}"

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of all images and of ``rows``, independent of file locations."""

    @abstractmethod
    def load(self, image_id: str) -> Image:
        """Load an image of any size, decoded by `probing_core.images`.

        Raises:
            BadImage: the image cannot be read.
        """


FLAGS = ("color", "geometry")

PROSE = ("license", "why_not", "source")
"""Columns that do not affect any computation and are not part of the fingerprint."""

ROWS = 4096
"""Number of rows per digest block."""


def make_rows(columns: Mapping[str, object]) -> pd.DataFrame:
    """Create a table from ``columns``, with `COLUMNS` first and in order.

    Missing columns are empty, except ``base_id``, which defaults to ``image_id``, and flags, which default to True.
    """
    rows = pd.DataFrame(dict(columns))
    for column in COLUMNS:
        if column not in rows:
            rows[column] = rows["image_id"] if column == "base_id" else column in FLAGS or ""
    additional = [column for column in rows if column not in COLUMNS]
    return rows[[*COLUMNS, *additional]].reset_index(drop=True)


def content_digest(content: bytes) -> bytes:
    """Return the digest of an encoded image."""
    return hashlib.blake2b(content, digest_size=16).digest()


def fingerprint(rows: pd.DataFrame, digests: Iterable[bytes]) -> str:
    """Compute a hex digest of ``rows``, without the columns in `PROSE`, and of the image ``digests``."""
    rows = rows.drop(columns=list(PROSE), errors="ignore")
    total = hashlib.blake2b(digest_size=16)
    total.update(f"[{json.dumps(list(rows.columns))}, [".encode())
    for start in range(0, len(rows), ROWS):  # in blocks, because rows as Python objects take a kilobyte each
        text = json.dumps(rows.iloc[start : start + ROWS].astype(object).values.tolist())[1:-1]
        total.update(f"{', ' if start else ''}{text}".encode())
    total.update(b"]]")
    for digest in digests:
        total.update(digest)
    return total.hexdigest()


class DigestedCorpus(Corpus):
    """A corpus that reads every image when it is created, to compute its rows and fingerprint.

    Copies of an image (identical bytes) share a ``base_id``. A copy in a different split is listed in ``skipped``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped: list[tuple[str, str]] = []
        self._columns: dict[str, list[str]] = {"image_id": [], "base_id": [], "label": [], "split": []}
        self._digests: list[bytes] = []
        self._first_with: dict[bytes, tuple[str, str]] = {}

    @property
    def fingerprint(self) -> str:
        """Digest of all images and of ``rows``."""
        return fingerprint(self.rows, self._digests)

    def _take(self, image_id: str, digest: bytes, label: str, split: str = "") -> None:
        """Add an image, or skip it if it is a copy of an image in a different split."""
        base_id, base_split = self._first_with.setdefault(digest, (image_id, split))
        if split != base_split:
            self.skipped.append((image_id, f"has the same bytes as {base_id}, which is in a different split"))
            return
        row = {"image_id": image_id, "base_id": base_id, "label": label, "split": split}
        for column, value in row.items():
            self._columns[column].append(value)
        self._digests.append(digest)

    def _finish(self) -> str:
        self.rows = make_rows(self._columns)
        return f"{len(set(self.rows['label']) - {''}) or 'no'} labels"


TRAIN_FRACTION = 0.6
"""Fraction of photographs in the training split."""

VAL_FRACTION = 0.2
"""Fraction of photographs in the validation split. All other photographs are in the test split."""


def assign_splits(base_ids: Sequence[str], seed: int) -> np.ndarray:
    """Split photographs 60/20/20 into train, val and test, and return the split (N,) of each row.

    All rows of a photograph are in the same split. Photographs are assigned in the order of a hash of the seed and
    their ``base_id``, so the row order does not matter.
    """
    ordered = _ordered(base_ids, seed)
    first, second = round(TRAIN_FRACTION * len(ordered)), round((TRAIN_FRACTION + VAL_FRACTION) * len(ordered))
    sizes = (first, second - first, len(ordered) - second)
    split = dict(zip(ordered, np.repeat(["train", "val", "test"], sizes).tolist(), strict=True))
    return np.array([split[base] for base in base_ids], dtype=object)


def assign_groups(base_ids: Sequence[str], seed: int, max_groups: int) -> np.ndarray:
    """Assign rows to at most ``max_groups`` cross-validation groups (N,), numbered from 0.

    All rows of a photograph are in the same group. Photographs are assigned in the same order as in `assign_splits`,
    and group sizes differ by at most one photograph.
    """
    group = {base: i % max_groups for i, base in enumerate(_ordered(base_ids, seed))}
    return np.array([group[base] for base in base_ids])


def _ordered(base_ids: Sequence[str], seed: int) -> list[str]:
    return sorted(set(base_ids), key=lambda base: hashlib.blake2b(f"{seed}|{base}".encode()).digest())


def limit_rows(rows: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """Select at most ``limit`` rows, and return them in their original order.

    Split proportions are preserved (with largest-remainder rounding). Within a split, rows are selected in the order of
    `drawn`.
    """
    if limit is None:
        return rows
    counts = shares(rows, limit)
    if limit >= len(rows):
        return rows
    order = drawn(rows)
    split = rows.loc[order, "split"].to_numpy()
    selected = np.concatenate([order[split == name][:share] for name, share in counts.items()])
    return rows.loc[rows.index.isin(selected)]


def shares(rows: pd.DataFrame, limit: int) -> dict[str, int]:
    """Compute the number of images per split for a total of at most ``limit``, with the proportions in ``rows``."""
    if limit < 1:
        raise BadConfig(f"The limit must be at least 1, got {limit}.")
    sizes = rows.groupby("split", sort=True).size()
    counts = sizes.to_numpy() if limit >= len(rows) else _largest_remainder(sizes.to_numpy(), limit)
    return {str(name): int(share) for name, share in zip(sizes.index, counts, strict=True)}


def drawn(rows: pd.DataFrame) -> pd.Index:
    """Return the index of ``rows`` in the order in which `limit_rows` selects them.

    The order cycles through the photographs, sorted by a hash of their ``base_id``, because a corpus may be sorted by
    label.
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
