from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.studies.geometry import geometry_table
from probing_core.measures.embedding_space import shift


def test_values_are_those_of_the_measure(data):
    table = geometry_table(data).set_index("transform")["value"]
    test = data.of_split("test")
    assert table["rotate"] == pytest.approx(shift(test.of("identity").X, test.of("rotate").X).mean())


def test_pairs_are_of_the_same_image(data):
    test = data.of_split("test")
    clean, moved = test.of("identity"), test.of("rotate")
    assert clean.rows["image_id"].tolist() == moved.rows["image_id"].tolist()
    again = test.of("identity", draw=1)
    assert again.rows["image_id"].tolist() == clean.rows["image_id"].tolist()
    assert not np.array_equal(again.X, clean.X)


def test_identity_shifts_less_than_any_transformation(data):
    table = geometry_table(data)
    shift = table.set_index("transform")["value"]
    assert (shift.drop("identity") > shift["identity"] + 0.05).all()
