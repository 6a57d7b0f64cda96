"""A run with three repetitions: each draws new strengths and noise, and probes are trained on all of them."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.sampling.samples import make_pair
from probing_core.results import Run
from probing_core.transforms import resolve

MODEL = "baseline/handcrafted"
REPETITIONS = 3


@pytest.fixture(scope="module")
def run(trained_run) -> Run:
    return Run.open(trained_run)


def test_every_repetition_draws_new_strengths_and_clean_versions(run):
    changed = run.samples[run.samples["transform"] != "identity"]
    drawn = changed.pivot(index=["image_id", "transform"], columns="repetition", values="strength")
    assert list(drawn.columns) == [0, 1, 2]
    assert (drawn.nunique(axis=1) == REPETITIONS).all()
    untouched = run.samples[run.samples["transform"] == "identity"]
    assert (untouched.groupby("image_id").size() == 2 * REPETITIONS).all()
    image = untouched[untouched["image_id"] == untouched["image_id"].iloc[0]]
    views = [run.picture(sample)[1] for sample in image["sample"]]
    assert len({view.tobytes() for view in views}) == 2 * REPETITIONS


@pytest.mark.parametrize(
    ("task", "repetitions"),
    [("fine", 3), ("group-1", 3), ("group-2", 3), ("content", 1), ("content-oracle", 1), ("fine-mlp-knn", 3)],
)
def test_transformation_tasks_have_predictions_in_every_repetition(run, task, repetitions):
    told = run.store.read_table(f"models/baseline-handcrafted/predictions/{task}.parquet")
    if "probe" in told:
        told = told[told["probe"] == "mlp-0"]
    joined = told.merge(run.samples, on="sample", validate="one_to_one")
    assert set(joined["split"]) == {"test"}
    assert set(joined["repetition"]) == set(range(repetitions))
    assert joined["repetition"].value_counts().nunique() == 1


def test_series_have_one_repetition_and_false_positives_count_clean_versions_of_all_repetitions(run):
    series = run.table("series/strength.parquet")
    assert not series.duplicated(["image_id", "transform", "strength"]).any()
    thresholds = run.table("tables/thresholds.parquet")
    false_positives = thresholds["false_alarms"] * thresholds["images"] * 2 * REPETITIONS
    np.testing.assert_allclose(false_positives, false_positives.round(), atol=1e-6)


def test_image_of_a_later_repetition_is_reproduced(repeated_run):
    run = Run.open(repeated_run)
    rows = run.samples[(run.samples["transform"] == "gaussian-noise") & (run.samples["image_id"] == "coffee/00")]
    pictures = [run.picture(sample)[1] for sample in rows["sample"]]
    assert len({picture.tobytes() for picture in pictures}) == REPETITIONS
    source = run.pictures.source("coffee/00")
    expected = make_pair(source, run.recipe.design, resolve("gaussian-noise"), "coffee/00", 2, 0)
    assert np.array_equal(pictures[2], expected[1])
