"""tables/retrieval.parquet: is the original of an altered picture found among untouched photographs?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.names import STRENGTH
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import SeriesData, measured
from probing_core.compute.studies.neighborhood import Retrieved
from probing_core.measures.statistics import mean

KS = (1, 10)
"""Numbers of nearest pictures among which the original is looked for."""

ALL = "all"
"""Every altered picture, in place of one transformation."""


def retrieval_table(series: SeriesData) -> pd.DataFrame:
    """Compute recall by transformation, at the strengths that the main samples have (``strength`` is NaN) and at each
    strength of the series.

    Identity's is that of its second draw: what the sub-pixel warp of every view costs, and the most that is to be had.
    """
    data, found, swept = series.main, series.main.retrieved, series.retrieved
    table = []
    for transform in (*data.classes, ALL):
        altered = found.rows["transform"].to_numpy()
        chosen = altered != "identity" if transform == ALL else altered == transform
        note = "untouched, drawn a second time: the ceiling" if transform == "identity" else ""
        table += _rows(found, chosen, {"model": data.model, "transform": transform, "strength": np.nan}, note)
    at: dict[Any, Any] = swept.rows.reset_index(drop=True).groupby(["transform", "strength"], sort=False).indices
    for (transform, strength), chosen in at.items():
        table += _rows(swept, chosen, {"model": data.model, "transform": transform, "strength": strength})
    return pd.DataFrame(table)


def _rows(found: Retrieved, chosen: np.ndarray, about: dict[str, Any], note: str = "") -> list[dict[str, Any]]:
    """Return a row of recall for each of `KS`, of the queries that are ``chosen``."""
    rows, table = found.rows[chosen] if chosen.dtype == bool else found.rows.iloc[chosen], []
    for k in KS:
        recall = measured("original-found", mean(found.ranks.found(k)[chosen], rows["base_id"].to_numpy()))
        table.append(
            about
            | {"k": k, "gallery": found.gallery}
            | recall
            | {
                "images": rows["image_id"].nunique(),
                "chance": min(k / found.gallery, 1.0),
                "note": joined(note, too_few(recall["bases"])),
            }
        )
    return table


STUDY = Study(name="retrieval", make=retrieval_table, series=STRENGTH, revision=2)
