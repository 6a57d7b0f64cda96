"""Rows that a run takes: splits for a corpus that has none, groups of photographs, and ``--limit``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig
from probing_core.images import Image

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

    Raises:
        BadConfig: the limit is below 1.
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
    """Return how many of ``limit`` images each split of ``rows`` gets.

    Raises:
        BadConfig: the limit is below 1.
    """
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


class ValidationCorpus(Corpus):
    """A corpus for choosing a model: its ``test`` is never read, and ``val`` takes its place.

    A fifth of ``train``, by photograph, takes the place of ``val``. A corpus without splits is divided as in a run.
    """

    def __init__(self, corpus: Corpus, seed: int = 0) -> None:
        self._corpus = corpus
        self.name, self.description, self.skipped = corpus.name, corpus.description, corpus.skipped
        rows = corpus.rows.copy()
        if (rows["split"] == "").any():
            rows["split"] = assign_splits(rows["base_id"].tolist(), seed)
        rows = rows[rows["split"].isin(("train", "val"))].reset_index(drop=True)
        learned = (rows["split"] == "train").to_numpy()
        again = np.array(assign_splits(rows["base_id"].tolist(), seed))
        rows["split"] = np.where(~learned, "test", np.where(again == "val", "val", "train"))
        self.rows = rows

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self._corpus.fingerprint} {self.rows['split'].tolist()}".encode()).hexdigest()[:32]

    def load(self, image_id: str) -> Image:
        return self._corpus.load(image_id)
