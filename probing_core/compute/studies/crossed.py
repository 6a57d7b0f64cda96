"""Photographs crossed with transformations: one picture of each photograph under every transformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Crossed:
    """A complete design.

    Attributes:
        images: one row a photograph, of one of its images: ``image_id``, ``base_id``, ``label``.
        transforms: T names, identity first.
        X: (P, T, R, D) embeddings, in R repetitions.
    """

    images: pd.DataFrame
    transforms: tuple[str, ...]
    X: np.ndarray

    @property
    def bases(self) -> np.ndarray:
        return self.images["base_id"].to_numpy()


def one_a_photograph(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``image_id``, ``base_id`` and ``label`` of the first image of each photograph among samples ``rows``."""
    return rows.drop_duplicates("base_id")[["image_id", "base_id", "label"]].reset_index(drop=True)


def crossed_rows(rows: pd.DataFrame, transforms: tuple[str, ...]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one image of each photograph that has every version, and positions (P, T, R) of the versions in ``rows``.

    Args:
        rows: samples; their second draws are left out.
    """
    first = rows["draw"].to_numpy() == 0 if "draw" in rows else np.ones(len(rows), bool)
    repetition = rows["repetition"].to_numpy() if "repetition" in rows else np.zeros(len(rows), int)
    transform = pd.Index(transforms).get_indexer(pd.Index(rows["transform"]))
    kept = np.flatnonzero(first & (transform >= 0))
    chosen = rows.iloc[kept]
    repetitions = int(repetition[kept].max()) + 1 if len(kept) else 1
    whole = chosen.groupby("image_id", sort=False)["transform"].transform("size") == len(transforms) * repetitions
    images = one_a_photograph(chosen[whole])
    image = pd.Index(images["image_id"]).get_indexer(pd.Index(chosen["image_id"]))
    used = image >= 0
    at = np.empty((len(images), len(transforms), repetitions), np.int64)
    at[image[used], transform[kept][used], repetition[kept][used]] = kept[used]
    return images, at
