"""tables/retrieval-strength.parquet: is the original found, at each strength of the alteration?"""

from __future__ import annotations

import pandas as pd

from probing_core.compute.names import STRENGTH
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import SeriesData
from probing_core.compute.studies.retrieval import rows_of


def retrieval_strength_table(series: SeriesData) -> pd.DataFrame:
    found = series.retrieved
    table = []
    for transform, of_one in found.rows.groupby("transform", sort=False):
        for strength in of_one["strength"].unique():
            chosen = ((found.rows["transform"] == transform) & (found.rows["strength"] == strength)).to_numpy()
            table += rows_of(found, chosen, {"model": series.main.model, "transform": transform, "strength": strength})
    return pd.DataFrame(table).drop(columns="extrapolated")


STUDY = Study(name="retrieval-strength", make=retrieval_strength_table, series=STRENGTH, trains=False)
