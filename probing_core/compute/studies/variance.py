"""tables/variance.parquet: how much of an embedding's variance is content, how much look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData
from probing_core.measures.embedding_space import MIN_PHOTOGRAPHS, variance_parts


def variance_table(data: ModelData) -> pd.DataFrame:
    columns = ["model", "part", "value", "low", "high", "interval", "bases", "images", "repetitions", "note"]
    rows = [
        {"model": data.model, "part": part, "repetitions": data.crossed.X.shape[2]} | row
        for part, row in part_rows(data.crossed.X)
    ]
    return pd.DataFrame(rows, columns=columns)


def part_rows(X: np.ndarray) -> list[tuple[str, dict[str, Any]]]:
    """Return the parts of the variance of ``X`` (P, T, R, D), each with its row; none of fewer than three
    photographs."""
    photographs, repetitions = X.shape[0], X.shape[2]
    if photographs < MIN_PHOTOGRAPHS:
        return []
    together = "" if repetitions > 1 else "one repetition: the rest holds what content and look make together"
    about = {"images": photographs, "note": joined(too_few(photographs), together)}
    return [(part, found.columns | about) for part, found in variance_parts(X).items()]


STUDY = Study(name="variance", make=variance_table)
