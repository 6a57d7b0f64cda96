"""tables/geometry.parquet: how far transformations move embeddings, and how regularly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.measures import embedding_space as space
from probing_core.measures.cluster_sums import ClusterSums, mean

KINDS = ("identity", "offset", "ridge")


def geometry_table(data: ModelData, with_train: bool) -> pd.DataFrame:
    """Compute shift on test images; equivariance learned from train images and measured on test images.

    Identity's shift, between its two draws, is what the sub-pixel warp of every view moves by itself.

    Args:
        with_train: False where the run has test images alone; then there is no equivariance.
    """
    train, test = data.of_split("train"), data.of_split("test")
    clean, clean_train = test.of("identity"), train.of("identity")
    basis = space.ridge_basis(clean_train.X) if with_train else None
    table: list[dict[str, Any]] = []

    def add(transform: str, measure: str, sums: ClusterSums, note: str = "") -> None:
        found = measured(measure, sums)
        table.append(
            {"model": data.model, "transform": transform, "measure": measure}
            | found
            | {"images": clean.images, "note": joined(too_few(found["bases"]), note)}
        )

    for transform in data.classes:
        moved = test.of(transform, draw=1 if transform == "identity" else 0)
        note = "between its two draws: what the sub-pixel warp moves" if transform == "identity" else ""
        add(transform, "shift", mean(space.shift(clean.X, moved.X), clean.bases), note)
        if basis is None or transform == "identity":
            continue
        X, Y = (np.concatenate(pair) for pair in ((clean_train.X, clean.X), (train.of(transform).X, moved.X)))
        learned = np.arange(len(X)) < len(clean_train.X)
        held_out = space.held_out(X, Y, learned, basis)
        note = f"learned from {clean_train.images} images"
        for kind in KINDS:
            sums = _explained(getattr(held_out, kind), held_out.total, clean.bases)
            add(transform, f"equivariance-{kind}", sums, note)
        add(
            transform, "equivariance-rank", mean(held_out.reciprocal_rank, clean.bases), f"{note}; among {clean.images}"
        )
    return pd.DataFrame(table)


def _explained(error: np.ndarray, total: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Return R2 as sums over photographs."""
    sums = np.hstack([mean(error, clusters).sums[:, :1], mean(total, clusters).sums[:, :1]])
    return ClusterSums(sums, lambda t: 1 - t[..., 0] / np.maximum(t[..., 1], 1e-30))


STUDY = Study(name="geometry", make=lambda s: geometry_table(s, with_train=s.learns), trains=False)
