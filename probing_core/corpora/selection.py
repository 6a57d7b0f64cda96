"""Which rows a run takes: splits for a corpus that has none, and ``--limit``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_core.errors import BadConfig

TRAIN, VAL = 0.6, 0.2
"""Shares of base images in the splits; the rest is the test split."""


def assign_splits(base_ids: Sequence[str], seed: int) -> np.ndarray:
    """A split for every row, 60/20/20 over base images: all rows of one base image share it.

    Base images are ordered by a hash of seed and name and cut at the shares, so that the order of rows does
    not matter and the shares are exact to one base image.

    Args:
        base_ids: one a row, N of them.
        seed: the run's.

    Returns:
        (N,) strings, ``train``, ``val`` or ``test``.
    """
    ordered = sorted(set(base_ids), key=lambda base: hashlib.blake2b(f"{seed}|{base}".encode()).digest())
    first, second = round(TRAIN * len(ordered)), round((TRAIN + VAL) * len(ordered))
    split = {base: "train" if i < first else "val" if i < second else "test" for i, base in enumerate(ordered)}
    return np.array([split[base] for base in base_ids], dtype=object)


def limit_rows(rows: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """``limit`` of ``rows`` (all, where there are no more), in their order.

    Every split keeps its share (rounded by largest remainder), and within a split the base images take turns:
    each gives its first image before one gives its second.

    Args:
        rows: with columns ``base_id`` and ``split``.
        limit: number of images before transforms; None for all.

    Raises:
        BadConfig: the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise BadConfig(f"A limit of {limit} leaves no image; expected at least 1.")
    if limit is None or limit >= len(rows):
        return rows
    sizes = rows.groupby("split", sort=True).size()
    quotas = _largest_remainder(sizes.to_numpy(), limit)
    turn = rows.groupby(["split", "base_id"], sort=False).cumcount()
    taken = [
        turn[rows["split"] == split].sort_values(kind="stable").index[:quota]
        for split, quota in zip(sizes.index, quotas, strict=True)
    ]
    return rows.loc[rows.index.isin(np.concatenate(taken))]


def _largest_remainder(sizes: np.ndarray, total: int) -> np.ndarray:
    """``total`` shared out in proportion to ``sizes``, in whole numbers."""
    exact = sizes * total / sizes.sum()
    shares = np.floor(exact).astype(int)
    largest_first = np.argsort(shares - exact, kind="stable")
    shares[largest_first[: total - shares.sum()]] += 1
    return shares
