from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.studies import dimension
from probing_core.compute.studies.dimension import dimensions


def test_powers_of_two_and_the_whole_where_it_is_small():
    assert dimensions(64) == [1, 2, 4, 8, 16, 32, 64]
    assert dimensions(192) == [1, 2, 4, 8, 16, 32, 64, 128, 192]
    assert dimensions(1280)[-1] == dimension.MAX_DIMENSIONS == 512


def test_the_curve_ends_at_the_probe_of_the_whole_embedding(studied, data):
    curve = studied.read_table("tables/dimension.parquet")
    curve = curve[curve["model"] == data.model].set_index("dimensions")["value"]
    tested = data.tested
    right = data.fine.probabilities(tested.X).argmax(1) == tested.y
    whole = np.mean([right[tested.y == c].mean() for c in range(len(data.classes))])
    assert curve[16] == pytest.approx(whole, abs=0.02)
    assert curve[1] < 0.5
    assert curve[16] > 0.8  # five axes of transformations cannot all be on one
