from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from lab.devtools.run_edits import omit
from probing_core.compute.task_names import BY_TRANSFORMATION, PROJECTIONS
from probing_core.results import Run
from probing_core.results.explorer.data import (
    MAX_COORDINATE,
    NO_STRENGTH,
    SHARED_MODELS,
    STRONGEST,
    default_models,
    explorer_data,
    packed,
    shared_models,
)
from probing_core.results.ranking import accuracy, leaderboard
from probing_core.results.two_models import p_of_pair, pairwise_p
from probing_core.run.layout import neighbors_path
from probing_core.run.run_files import RunFiles

MODELS = ["zoo/mae", "timm:tf_efficientnet_lite0"]


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


@pytest.fixture(scope="module")
def data(run):
    return explorer_data(run, MODELS)


def test_every_point_has_the_facts_of_its_sample(run, data):
    classes = [one.name for one in data.classes]
    facts = run.samples.set_index("sample").loc[data.sample]
    assert [classes[i] for i in data.truth] == list(facts["transform"])
    assert [data.crops[i] for i in data.crop] == list(facts["image_id"])
    np.testing.assert_array_equal(data.value, facts["strength"])
    photographs = pd.Series(data.photographs[data.crop])
    assert photographs.groupby(facts["base_id"].to_numpy()).nunique().eq(1).all()
    for model in data.models:
        answers = run.predictions(model.name, "fine").set_index("sample").loc[data.sample]
        assert [classes[i] for i in model.predicted] == list(answers["predicted"])
        np.testing.assert_allclose(model.confidence / 255, answers["p_predicted"], atol=0.5 / 255)
        np.testing.assert_allclose(model.truth_probability / 255, answers["p_truth"], atol=0.5 / 255)


def test_every_tested_sample_that_is_on_all_maps_is_a_point_once(run, data):
    tested = set(run.predictions(MODELS[0], "fine")["sample"])
    placed = set(run.map(MODELS[0], BY_TRANSFORMATION)["sample"])
    assert set(data.sample) == tested & placed
    assert len(set(data.sample)) == len(data.sample)


def test_places_are_those_of_the_map_on_one_scale(run, data):
    for model in data.models:
        places = model.places[BY_TRANSFORMATION]
        points = run.map(model.name, BY_TRANSFORMATION).set_index("sample").loc[data.sample, ["x", "y"]].to_numpy()
        assert np.abs(places).max() == MAX_COORDINATE
        spans = np.ptp(places.astype(float), axis=0) / np.ptp(points, axis=0)
        np.testing.assert_allclose(spans[0], spans[1], rtol=1e-3)
        for axis in (0, 1):
            assert np.corrcoef(places[:, axis], points[:, axis])[0, 1] > 0.9999


def test_a_strength_that_falls_is_turned_round(data):
    names = [one.name for one in data.classes]
    for name, falling in (("gaussian-blur", False), ("contrast", True)):
        at = data.truth == names.index(name)
        ranks, values = data.strength[at].astype(float), data.value[at]
        assert (ranks.min(), ranks.max()) == (0, STRONGEST)
        assert (values[ranks.argmax()] == (values.min() if falling else values.max())).all()
    assert (data.strength[data.truth == names.index("identity")] == NO_STRENGTH).all()


def test_explorer_data_neighbors_are_those_of_the_run(repeated_run):
    run = Run.open(repeated_run)
    data = explorer_data(run, MODELS)
    for model in data.models:
        for projection, found in model.neighbors.items():
            assert found.shape == (data.tested, 5)
            assert (found >= 0).all()
            assert (data.photographs[data.crop][found] != data.photographs[data.crop][:, None]).all()
            table = run.neighbors(model.name, projection).set_index("sample")
            assert (data.sample[found] == table.loc[data.sample]).all(axis=None)


def test_explorer_data_neighbors_stay_within_the_repetition_that_has_images(repeated_run):
    run = Run.open(repeated_run)
    everything, data = explorer_data(run, MODELS), explorer_data(run, MODELS, near_in=0)
    np.testing.assert_array_equal(data.sample, everything.sample)
    within = data.repetition == 0
    for model, other in zip(data.models, everything.models, strict=True):
        for projection, found in model.neighbors.items():
            assert (data.repetition[found[within]] == 0).all()
            table = run.neighbors(model.name, projection, 0).set_index("sample")
            assert (data.sample[found[within]] == table.loc[data.sample[within]]).all(axis=None)
            np.testing.assert_array_equal(found[~within], other.neighbors[projection][~within])


def test_explorer_data_without_neighbors_in_the_run(made_run, tmp_path):
    store = RunFiles(shutil.copytree(made_run, tmp_path / "run"))
    omit(store, *(neighbors_path(model, reading) for model in MODELS for reading in PROJECTIONS))
    run = Run.open(store.root)
    assert run.neighbors(MODELS[0]) is None
    assert not explorer_data(run, MODELS).models[0].neighbors


def test_explorer_data_has_all_repetitions(repeated_run):
    run = Run.open(repeated_run)
    data = explorer_data(run, MODELS)
    facts = run.samples.set_index("sample").loc[data.sample]
    np.testing.assert_array_equal(data.repetition, facts["repetition"])
    assert set(data.repetition) == {0, 1, 2}
    assert data.tested == 3 * len(data.crops) * len(data.classes)


def test_packed_differences_are_those_of_the_ranking(made_run):
    run = Run.open(made_run)
    data = explorer_data(run)
    header, _ = packed(data)
    sums = [accuracy(run, model.name, "fine", "seen") for model in data.models]
    for second, row in enumerate(header["differences"]):
        assert len(row) == second
        for first, found in enumerate(row):
            expected = sums[second].minus(sums[first])
            p = p_of_pair(pairwise_p(run), data.models[first].name, data.models[second].name)
            np.testing.assert_allclose(found, [100 * expected.low, 100 * expected.high, p], rtol=1e-9)


def test_packed_arrays_are_where_the_header_says(data):
    header, parts = packed(data)
    json.dumps(header, allow_nan=False)
    model, theirs = header["models"][1], data.models[1]
    for part, entry, array in (
        ("points", header["points"]["sample"], data.sample),
        ("points", header["points"]["value"], data.value),
        ("model/1", model["points"]["places"][BY_TRANSFORMATION], theirs.places[BY_TRANSFORMATION]),
        ("model/1", model["points"]["predicted"], theirs.predicted),
        (
            "neighbors/1",
            model["neighbors"][BY_TRANSFORMATION],
            np.where(theirs.neighbors[BY_TRANSFORMATION] < 0, data.tested, theirs.neighbors[BY_TRANSFORMATION]),
        ),
    ):
        read = np.frombuffer(parts[part], entry["type"], entry["length"], entry["offset"])
        np.testing.assert_array_equal(read, array.ravel())
        assert entry["offset"] % 4 == 0


def test_shared_models_hold_those_selected_the_best_embedding_and_the_best_baseline(run):
    board = leaderboard(run, "fine", "seen")
    baseline = board["model"].str.startswith("baseline/")
    best = {board["model"][~baseline].iloc[0], board["model"][baseline].iloc[0]}
    names = list(board["model"])
    for selected in ([], names[-1:], names[-2:], names[:2]):
        found = shared_models(run, selected)
        assert len(found) == len(set(found)) <= SHARED_MODELS
        assert best | set(selected) <= set(found)
    assert shared_models(run, names[:2]) == shared_models(run, names[1::-1]), "whichever is on which map"


def test_models_that_learned_come_first(run):
    found = default_models(run)
    assert {*found[:2]} == set(MODELS)
    assert all(name.startswith("baseline/") for name in found[2:])
