"""tables/variance-layers.parquet: how much of the variance of each block's output is content, how much look."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.names import LAYERS
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.crossed import crossed_rows
from probing_core.compute.studies.model_data import SeriesData
from probing_core.compute.studies.variance import COLUMNS, part_rows


def variance_layers_table(series: SeriesData) -> pd.DataFrame:
    """Compute the parts of every block and pooling over the test images of the series of layers."""
    data, rows = series.main, series.rows
    tested = np.flatnonzero(rows["split"] == "test")
    _, at = crossed_rows(rows.iloc[tested], data.classes)
    table = []
    for block, X in series.blocks.items():
        layer, pooling = block.split(".")
        about = {"model": data.model, "layer": int(layer), "pooling": pooling}
        table += part_rows(about, X[tested[at].ravel()].reshape(*at.shape, -1))
    return pd.DataFrame(table, columns=["model", "layer", "pooling", *COLUMNS])


STUDY = Study(name="variance-layers", make=variance_layers_table, series=LAYERS)
