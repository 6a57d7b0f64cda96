"""The detector of a run, learned from the photographs that its probes learn from and those given beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.live import DIRECT_UP_TO
from probing_core.compute.parallel import in_chunks, picture_pool
from probing_core.compute.samples import Design
from probing_core.corpora.base import Corpus
from probing_core.detector.detector import Detector, fit_detector
from probing_core.detector.features import features
from probing_core.detector.photographs import CHOOSE, LEARN
from probing_core.detector.training_mix import make_views, plan_views
from probing_core.errors import BadImage
from probing_core.transforms.base import Image, Transform

MIN_PHOTOGRAPHS = {LEARN: 20, CHOOSE: 5}
"""Photographs; with fewer there is no detector."""

PHOTOGRAPHS = 20
"""In a unit."""


def can_learn(photographs: pd.DataFrame) -> bool:
    """Return whether there are photographs enough for a detector."""
    counts = photographs.groupby("role")["base_id"].nunique()
    return all(counts.get(role, 0) >= fewest for role, fewest in MIN_PHOTOGRAPHS.items())


def learned_from(photographs: pd.DataFrame) -> list[list[Any]]:
    """Return the rows of ``photographs`` that the detector learns from, in units."""
    rows = photographs[photographs["role"].isin(MIN_PHOTOGRAPHS)].reset_index(drop=True)
    records = list(rows.itertuples())
    return [records[i : i + PHOTOGRAPHS] for i in range(0, len(records), PHOTOGRAPHS)]


def measure_units(
    design: Design, corpora: Sequence[Corpus], units: Sequence[Sequence[Any]]
) -> Iterator[dict[str, np.ndarray]]:
    """Yield for each of ``units`` (`learned_from`) the features (n, 407) of every view of the training mix, positions
    (n,) of their transforms (`learned_transforms`), and of their photographs among all rows.
    """
    transforms = learned_transforms(design.transforms)
    rows_of = [[row._asdict() for row in unit] for unit in units]  # named tuples of pandas cannot be sent
    with picture_pool(len(transforms) * sum(map(len, units))) as pool:
        for unit, found in in_chunks(pool, partial(_measure, corpora, transforms, design), rows_of):
            yield {
                "features": np.concatenate([X for X, _ in found]),
                "classes": np.concatenate([y for _, y in found]),
                "photographs": np.repeat([row["Index"] for row in unit], [len(y) for _, y in found]),
            }


def _measure(
    corpora: Sequence[Corpus], transforms: Sequence[Transform], design: Design, row: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of the views of one photograph, and the class of each."""
    names = [t.name for t in transforms]
    planned = plan_views(names[1:], row["image_id"], design.seed)
    views: list[Image] = []
    with suppress(BadImage):
        picture = corpora[row["corpus"]].load(row["image_id"])
        # Another size of a photograph teaches what its tiles show; the photograph itself is learned once.
        if min(picture.shape[:2]) >= (design.view if row["first"] else DIRECT_UP_TO * design.view):
            split = {t.name: t.for_split(row["split"]) for t in transforms}
            made = make_views(picture, design.view, planned, split, row["image_id"], design.seed, not row["first"])
            views = list(made)
    return features(views), np.array([names.index(one.transform) for one in planned[: len(views)]], np.int64)


def learn_detector(
    measured: Sequence[Mapping[str, np.ndarray]], photographs: pd.DataFrame, transforms: Sequence[Transform]
) -> Detector:
    """Return the detector that learns from ``measured`` (`measure_units`), all units of ``photographs``."""
    rows = photographs[photographs["role"].isin(MIN_PHOTOGRAPHS)]
    X, y, photograph = (np.concatenate([a[name] for a in measured]) for name in ("features", "classes", "photographs"))
    learned = (rows["role"] == LEARN).to_numpy()[photograph]
    known = learned_transforms(transforms)
    return fit_detector(
        X[learned],
        y[learned],
        (X[~learned], y[~learned]),
        classes=[t.name for t in known],
        groups=[t.group for t in known],
    )


def learned_transforms(transforms: Sequence[Transform]) -> list[Transform]:
    """Return those of ``transforms`` that the detector learns, identity first."""
    return sorted((t for t in transforms if not t.far), key=lambda t: t.name != "identity")
