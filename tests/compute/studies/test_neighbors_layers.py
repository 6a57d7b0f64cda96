"""What lies near the output of every block, against slow loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from probing_core.compute.studies.neighbors_layers import neighbors_layers_table
from tests.compute.studies.made import series_of


@pytest.fixture(scope="module")
def made(studied) -> tuple[pd.Series, pd.DataFrame, dict[str, np.ndarray]]:
    """Values of the table, rows of the tested pictures, and cosines between these by block."""
    series = series_of(studied, "neighbors-layers")
    rows = series.rows
    tested = (rows["split"] == "test").to_numpy()
    cosines = {block: 1 - cdist(X[tested], X[tested], "cosine") for block, X in series.blocks.items()}
    table = neighbors_layers_table(series).set_index(["layer", "pooling", "measure", "by"])["value"]
    return table, rows[tested].reset_index(drop=True), cosines


def index_of(rows: pd.DataFrame, cosines: np.ndarray, by: str) -> float:
    """The robustness index, picture by picture and neighbor by neighbor."""
    every = rows.groupby("image_id")["transform"].transform("size") == rows["transform"].nunique()
    photograph, label, transform = (rows[name].to_numpy() for name in ("image_id", "label", "transform"))
    content = photograph if by == "photograph" else label
    same = alike = 0
    for i in np.flatnonzero(every):
        others = [j for j in np.flatnonzero(every) if j != i and (by == "photograph" or photograph[i] != photograph[j])]
        for j in sorted(others, key=lambda j: -cosines[i, j])[:10]:
            same += content[i] == content[j] and transform[i] != transform[j]
            alike += content[i] != content[j] and transform[i] == transform[j]
    return same / (same + alike)


@pytest.mark.parametrize("block", ["1.mean", "2.cls", "10.mean"])
def test_a_block_is_measured_as_slow_loops_do(made, block):
    table, rows, cosines = made
    layer, pooling = block.split(".")
    mine, near = table.loc[int(layer), pooling], cosines[block]
    untouched = (rows["transform"] == "identity").to_numpy()
    original = {rows["image_id"][i]: i for i in np.flatnonzero(untouched)}
    altered = np.flatnonzero(~untouched)
    own = [original[rows["image_id"][i]] for i in altered]
    gallery = np.flatnonzero(untouched)
    found = [gallery[near[i, gallery].argmax()] == o for i, o in zip(altered, own, strict=True)]
    assert mine["original-found", ""] == pytest.approx(np.mean(found))

    every = sorted(set(own))  # those that are there under every transformation
    between = 1 - near[np.ix_(every, every)][~np.eye(len(every), dtype=bool)].mean()
    assert mine["shift", ""] == pytest.approx((1 - near[altered, own]).mean() / between, rel=1e-4)
    for by in ("photograph", "label"):
        assert mine["robustness-index", by] == pytest.approx(index_of(rows, near, by), abs=0.005)


def test_a_block_that_knows_the_content_alone_is_robust_and_one_that_knows_the_look_is_not(made):
    index = made[0].xs(("mean", "robustness-index", "label"), level=("pooling", "measure", "by"))
    assert index[1] < 0.3
    assert index[10] > 0.9
