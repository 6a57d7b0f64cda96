"""The detector of a run, learned from the photographs that its probes learn from and those given beside them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from probing_core.corpora.base import Corpus
from probing_core.errors import BadImage
from probing_core.pipeline.verdicts.photographs import CHOOSE, LEARN
from probing_core.prediction.detector import fit_detector
from probing_core.prediction.features import features
from probing_core.prediction.parallel import in_chunks, one_core_threads
from probing_core.prediction.tiles import DIRECT_UP_TO
from probing_core.prediction.training_mix import make_views, plan_views
from probing_core.runs import revisions
from probing_core.runs.layout import (
    DETECTOR,
    DETECTOR_FILE,
    scored_views_path,
    verdict_unit_path,
    verdict_units_folder,
)
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import load_transforms
from probing_core.runs.store import Store, digest
from probing_core.transforms.base import Image

FEWEST = {LEARN: 20, CHOOSE: 5}
"""Photographs; with fewer there is no detector."""

PHOTOGRAPHS = 20
"""In a unit."""


def detector_key(key: str) -> str:
    """Of the detector, and of what is measured for it, by the key of its photographs."""
    return digest([key, revisions.DETECTOR])


def can_learn(photographs: pd.DataFrame) -> bool:
    """Whether there are photographs enough for a detector."""
    counts = photographs.groupby("role")["base_id"].nunique()
    return all(counts.get(role, 0) >= fewest for role, fewest in FEWEST.items())


def learn_detector(
    store: Store, recipe: Recipe, corpora: Sequence[Corpus], photographs: pd.DataFrame, key: str, progress: Progress
) -> None:
    """Writes the detector, where there are photographs enough.

    Args:
        key: of the photographs.
    """
    key = detector_key(key)
    if store.has(DETECTOR_FILE, key) or not can_learn(photographs):
        return
    rows = photographs[photographs["role"].isin(FEWEST)]
    _measure(store, recipe, corpora, rows, key, progress)
    units = range(-(-len(rows) // PHOTOGRAPHS))
    arrays = [store.read_arrays(verdict_unit_path(DETECTOR, unit)) for unit in units]
    X, y, photograph = (np.concatenate([a[name] for a in arrays]) for name in ("features", "classes", "photographs"))
    bases = rows["base_id"].to_numpy()[photograph]
    learned = (rows["role"] == LEARN).to_numpy()[photograph]
    transforms = _transforms(recipe)
    progress.update("detector", len(units), len(units), "Training the detector of alterations")
    detector = fit_detector(
        X[learned],
        y[learned],
        bases[learned],
        (X[~learned], y[~learned], bases[~learned]),
        classes=[t.name for t in transforms],
        groups=[t.group for t in transforms],
    )
    # Scores of another detector would calibrate this one until its own are there.
    store.remove(*store.names(scored_views_path(DETECTOR)))
    store.write_bytes(DETECTOR_FILE, detector.to_bytes(), key)
    store.remove(*store.names(verdict_units_folder(DETECTOR)))


def _measure(
    store: Store, recipe: Recipe, corpora: Sequence[Corpus], rows: pd.DataFrame, key: str, progress: Progress
) -> None:
    """Features of every view of the training mix, a unit of photographs at a time."""
    transforms = _transforms(recipe)
    names = [t.name for t in transforms]
    records = list(rows.reset_index(drop=True).itertuples())
    units = [records[i : i + PHOTOGRAPHS] for i in range(0, len(records), PHOTOGRAPHS)]
    waiting = [i for i in range(len(units)) if not store.has(verdict_unit_path(DETECTOR, i), key)]

    def measure(row: Any) -> tuple[np.ndarray, np.ndarray]:
        planned = plan_views(names[1:], row.image_id, recipe.seed)
        views: list[Image] = []
        with suppress(BadImage):
            picture = corpora[row.corpus].load(row.image_id)
            # Another size of a photograph teaches what its tiles show; the photograph itself is learned once.
            if min(picture.shape[:2]) >= (recipe.view if row.first else DIRECT_UP_TO * recipe.view):
                split = {t.name: t.for_split(row.split) for t in transforms}
                made = make_views(picture, recipe.view, planned, split, row.image_id, recipe.seed, not row.first)
                views = list(made)
        return features(views), np.array([names.index(one.transform) for one in planned[: len(views)]], np.int64)

    with one_core_threads(recipe.threads) as pool:
        for i, (unit, found) in zip(waiting, in_chunks(pool, measure, [units[i] for i in waiting]), strict=True):
            progress.update("detector", i, len(units), "Measuring views for the detector of alterations")
            arrays = {
                "features": np.concatenate([X for X, _ in found]),
                "classes": np.concatenate([y for _, y in found]),
                "photographs": np.repeat([row.Index for row in unit], [len(y) for _, y in found]),
            }
            store.write_arrays(verdict_unit_path(DETECTOR, i), arrays, key)


def _transforms(recipe: Recipe) -> list:
    """What the detector learns, identity first."""
    return sorted((t for t in load_transforms(recipe) if not t.far), key=lambda t: t.name != "identity")
