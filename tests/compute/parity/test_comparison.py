"""Shifts, their unit, and what is told from the vectors alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from probing_core.compute.parity.beforehand import PictureSteps
from probing_core.compute.parity.comparison import (
    ONLY_VECTORS,
    TOO_FEW,
    Side,
    as_far_as,
    cosines,
    differences,
    mean_distance,
    reference,
    shifts,
)
from probing_core.compute.parity.pictures import PHOTOGRAPH, golden_pictures
from probing_core.compute.parity.steps import Steps
from probing_core.errors import BadArray
from probing_core.models import Preprocessing
from probing_core.models.preprocessing import make_batch
from tests.conftest import scene


@pytest.fixture(scope="module")
def pictures():
    return golden_pictures()


@pytest.fixture(scope="module")
def vectors(pictures):
    return np.random.default_rng(0).normal(3, 1, (len(pictures), 12)).astype(np.float32)


def found(pictures, first, second, tolerance=0.01):
    kinds = np.array([picture.kind for picture in pictures])
    unit = mean_distance(first, kinds)
    return differences(Side("a", first), Side("b", second), pictures, [], unit, tolerance)


def test_the_unit_is_the_mean_distance_of_two_photographs_and_shifts_are_in_it(pictures, vectors):
    kinds = np.array([picture.kind for picture in pictures])
    unit = mean_distance(vectors, kinds)
    assert unit == pytest.approx(pdist(vectors[kinds == PHOTOGRAPH]).mean(), rel=1e-6)
    other = vectors + 0.5
    slow = [
        sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) ** 0.5 / unit for x, y in zip(vectors, other, strict=True)
    ]
    assert shifts(vectors, other, unit) == pytest.approx(slow, rel=1e-5)
    assert cosines(vectors, 3 * vectors) == pytest.approx(1)


def test_a_pipeline_that_tells_no_photograph_from_another_gives_no_unit(pictures, vectors):
    kinds = np.array([picture.kind for picture in pictures])
    for useless in (np.ones_like(vectors), np.full_like(vectors, np.nan)):
        with pytest.raises(BadArray, match="neither pipeline gives two that differ"):
            mean_distance(useless, kinds)


def test_rows_in_another_order_are_named_and_put_back(pictures, vectors):
    order = np.arange(len(vectors))
    order[3:9] = np.roll(order[3:9], 2)
    differ = found(pictures, vectors, vectors[order])
    assert [(one.step, one.pictures, one.left) for one in differ.findings] == [("order of vectors", 6, 0)]
    words = f"that of {pictures[3].name} is where that of {pictures[order[3:9].argmin() + 3].name}"
    assert words in differ.findings[0].words
    assert differ.left == 0


def test_another_length_overflow_and_precision_are_told_from_vectors_alone(pictures, vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    differ = found(pictures, vectors, vectors / lengths)
    assert [one.step for one in differ.findings] == ["length"]
    assert differ.left < 1e-6
    lost = vectors.copy()
    lost[5], lost[7, 2] = 0, np.inf
    differ = found(pictures, vectors, lost)
    assert [(one.step, one.pictures, one.pipeline) for one in differ.findings] == [("overflow", 2, "b")]
    assert differ.left == np.inf
    differ = found(pictures, vectors, vectors.astype(np.float16).astype(np.float32))
    assert [(one.step, one.words) for one in differ.findings] == [("precision", "numbers are those of float16")]
    assert 0 < differ.left < 1e-3


def test_other_vectors_are_explained_by_nothing(pictures, vectors):
    other = np.random.default_rng(1).normal(3, 1, vectors.shape).astype(np.float32)
    differ = found(pictures, vectors, other)
    assert differ.findings == ()
    assert differ.left > 0.5


def test_it_is_told_why_no_step_was_tried(pictures, vectors):
    assert found(pictures, vectors, vectors + 1).untried == ONLY_VECTORS
    lost = np.full_like(vectors, np.nan)
    lost[0] = 1
    assert found(pictures, vectors, lost).untried == TOO_FEW
    assert found(pictures, vectors, vectors + 1e-4).untried == "", "nothing is to be explained"


def test_steps_are_tried_on_the_pipeline_that_shows_most(pictures, vectors):
    kinds = np.array([picture.kind for picture in pictures])

    def side(name, steps=None, **facts):
        return Side(name, vectors, steps, None if steps is None else (lambda steps, images: vectors), **facts)

    least_first = [
        Side("useless", np.ones_like(vectors), Steps(Preprocessing(size=(8, 8))), lambda steps, images: vectors),
        side("file"),
        side("paths", PictureSteps(), decodes=True),
        side("function", PictureSteps()),
        side("network", Steps(Preprocessing(size=(8, 8)))),
    ]
    for less, more in pairwise(least_first):
        for pair in ((less, more), (more, less)):
            assert [one.name for one in reference(*pair, kinds)] == [more.name, less.name]


def test_the_faintest_alteration_that_moves_as_far():
    scale = pd.DataFrame({"alteration": ["a", "b", "c"], "shift": [0.01, 0.02, 0.3]})
    assert [as_far_as(shift, scale) for shift in (0, 0.001, 0.02, 0.021, 0.4)] == ["", "a", "b", "c", ""]


def test_the_steps_of_a_network_make_the_batch_that_it_receives():
    own = Preprocessing(size=(32, 48), crop=0.8, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    images = [scene(i, 60) for i in range(3)]
    assert np.array_equal(Steps(own).batch(images), make_batch(images, own))


def test_every_change_makes_another_batch():
    own = Preprocessing(size=(32, 32), crop=0.8, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    images = [scene(0, 60)[:, :50]]
    plain = Steps(own).batch(images)
    tried = list(Steps(own).changes())
    assert len({change.words for change in tried}) == len(tried)
    assert {change.step for change in tried} == {
        "order of colors",
        "resize",
        "crop",
        "input size",
        "mean and deviation",
    }
    for change in tried:
        batch = change.steps.batch(images)
        assert batch.shape != plain.shape or not np.array_equal(batch, plain), change.words
