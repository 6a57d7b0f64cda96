from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.studies.composition import pair_table
from tests.compute.studies.made import PAIRS


def test_hits_are_counted_by_pair():
    rows = pd.DataFrame(
        {"first": ["a", "a", "c"], "second": ["b", "b", "a"], "base_id": ["x", "y", "x"]},
    )
    scores = np.array([[3, 2, 1], [1, 2, 3], [3, 2, 1]])
    table = pair_table(rows, scores, ("a", "b", "c")).set_index(["first", "second"])
    assert table.loc[("a", "b"), ["first_hit", "second_hit", "both_hit"]].tolist() == [0.5, 1, 0.5]
    assert table.loc[("c", "a"), ["first_hit", "second_hit", "both_hit"]].tolist() == [0, 1, 0]
    assert table["images"].tolist() == [2, 1]
    assert (table["interval"] == "none").all()


def test_both_of_two_are_found_where_each_has_an_axis(studied):
    table = studied.read_table("tables/composition.parquet")
    assert list(zip(table["first"], table["second"], strict=True)) == [*PAIRS, *PAIRS]
    assert (table["both_hit"] > 0.7).all()
    assert (table["both_hit"] <= table[["first_hit", "second_hit"]].min(axis=1)).all()
    assert (table["images"] == 24).all()
