"""tables/variance.parquet: how much of an embedding's variance is content, how much look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData
from probing_core.measures.variance_parts import MIN_PHOTOGRAPHS, variance_parts

COLUMNS = ("part", "value", "low", "high", "interval", "bases", "images", "repetitions", "note")


def variance_table(data: ModelData) -> pd.DataFrame:
    return pd.DataFrame(part_rows({"model": data.model}, data.crossed.X), columns=["model", *COLUMNS])


def part_rows(about: dict[str, Any], X: np.ndarray) -> list[dict[str, Any]]:
    """Return a row of each part of the variance of ``X`` (P, T, R, D); none of fewer than three photographs."""
    photographs, repetitions = X.shape[0], X.shape[2]
    if photographs < MIN_PHOTOGRAPHS:
        return []
    together = "" if repetitions > 1 else "one repetition: the rest holds what content and look make together"
    return [
        about
        | {"part": part}
        | found.columns
        | {
            "images": photographs,
            "repetitions": repetitions,
            "note": joined(too_few(photographs), together),
        }
        for part, found in variance_parts(X).items()
    ]


STUDY = Study(name="variance", make=variance_table, trains=False)
