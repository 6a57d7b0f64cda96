from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.studies.geometry import geometry_table
from tests.measures.equivariance import equivariance


def test_values_are_those_of_the_measures(data):
    table = geometry_table(data, with_train=True).set_index(["transform", "measure"])["value"]
    train, test = data.of_split("train"), data.of_split("test")
    X = np.concatenate([train.of("identity").X, test.of("identity").X])
    Y = np.concatenate([train.of("rotate").X, test.of("rotate").X])
    expected = equivariance(X, Y, np.arange(len(X)) < 60)
    assert table["rotate", "equivariance-identity"] == pytest.approx(expected.identity)
    assert table["rotate", "equivariance-offset"] == pytest.approx(expected.offset)
    assert table["rotate", "equivariance-ridge"] == pytest.approx(expected.ridge)
    assert table["rotate", "equivariance-rank"] == pytest.approx(expected.reciprocal_rank)
    # Transformations are offsets here, and nothing is linear beyond what the content is.
    assert table["rotate", "equivariance-offset"] > table["rotate", "equivariance-identity"] + 0.1


def test_pairs_are_of_the_same_image(data):
    test = data.of_split("test")
    clean, moved = test.of("identity"), test.of("rotate")
    assert clean.rows["image_id"].tolist() == moved.rows["image_id"].tolist()
    again = test.of("identity", draw=1)
    assert again.rows["image_id"].tolist() == clean.rows["image_id"].tolist()
    assert not np.array_equal(again.X, clean.X)


def test_identity_shifts_less_than_any_transformation(data):
    table = geometry_table(data, with_train=False)
    assert set(table["measure"]) == {"shift"}
    shift = table.set_index("transform")["value"]
    assert (shift.drop("identity") > shift["identity"] + 0.05).all()
