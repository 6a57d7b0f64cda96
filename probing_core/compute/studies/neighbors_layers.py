"""tables/neighbors-layers.parquet: what lies near the output of each block: originals, content, look; and how far it
moves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import too_few
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.names import LAYERS
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.crossed import Crossed, crossed_rows
from probing_core.compute.studies.model_data import SeriesData, measured
from probing_core.compute.studies.neighborhood import OTHERS, look_around, retrieve
from probing_core.measures.cluster_sums import mean
from probing_core.measures.embedding_space import shift


def neighbors_layers_table(series: SeriesData) -> pd.DataFrame:
    """Compute of every block and pooling, over the test images of the series of layers, the recall of originals among
    all untouched ones, the robustness index, and the mean shift under transformations."""
    data, rows = series.main, series.rows
    tested = np.flatnonzero(rows["split"] == "test")
    rows = rows.iloc[tested]
    images, at = crossed_rows(rows, data.classes)
    is_untouched = (rows["transform"] == "identity").to_numpy()
    untouched, altered = np.flatnonzero(is_untouched), np.flatnonzero(~is_untouched)
    table = []
    for block, whole in series.blocks.items():
        layer, pooling = block.split(".")
        X = whole[tested]
        crossed = Crossed(images, data.classes, X[at.ravel()].reshape(*at.shape, -1))
        found = retrieve(rows.iloc[altered], X[altered], rows.iloc[untouched], LazyRows((X[untouched],)))
        recall = mean(found.ranks.found(1), found.rows["base_id"].to_numpy())
        versions = crossed.X[:, :, 0]
        moved = np.concatenate([shift(versions[:, 0], versions[:, t]) for t in range(1, versions.shape[1])])
        scores = [("original-found", "", recall), ("shift", "", mean(moved, np.tile(crossed.bases, at.shape[1] - 1)))]
        for by, kinds in look_around(crossed, data.seed).items():
            if by != OTHERS:
                scores.append(("robustness-index", by, kinds.index(crossed.bases.repeat(at.shape[1]))))
        for measure, by, sums in scores:
            values = measured(measure, sums)
            about = {"model": data.model, "layer": int(layer), "pooling": pooling, "measure": measure, "by": by}
            table.append(about | values | {"images": len(images), "note": too_few(values["bases"])})
    return pd.DataFrame(table)


STUDY = Study(name="neighbors-layers", make=neighbors_layers_table, series=LAYERS)
