from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.names import DONE, READINGS
from probing_core.results import Run
from probing_core.results.explorer.data import (
    FAR,
    NO_STRENGTH,
    STRONGEST,
    default_models,
    explorer_data,
    packed,
)
from probing_core.run.layout import neighbors_path
from probing_core.run.store import Store

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
    assert [data.images[i] for i in data.photo] == list(facts["image_id"])
    np.testing.assert_array_equal(data.value, facts["strength"])
    photographs = pd.Series(data.photographs[data.photo])
    assert photographs.groupby(facts["base_id"].to_numpy()).nunique().eq(1).all()
    for model in data.models:
        answers = run.predictions(model.name, "fine").set_index("sample").loc[data.sample]
        assert [classes[i] for i in model.predicted] == list(answers["predicted"])
        np.testing.assert_allclose(model.confidence / 255, answers["p_predicted"], atol=0.5 / 255)
        np.testing.assert_allclose(model.truth_probability / 255, answers["p_truth"], atol=0.5 / 255)


def test_every_tested_sample_that_is_on_all_maps_is_a_point_once(run, data):
    tested = set(run.predictions(MODELS[0], "fine")["sample"])
    placed = set(run.map(MODELS[0], DONE)["sample"])
    assert set(data.sample) == tested & placed
    assert len(set(data.sample)) == len(data.sample)


def test_places_are_those_of_the_map_on_one_scale(run, data):
    for model in data.models:
        places = model.places[DONE]
        points = run.map(model.name, DONE).set_index("sample").loc[data.sample, ["x", "y"]].to_numpy()
        assert np.abs(places).max() == FAR
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


@pytest.mark.parametrize("repetition", [None, 0])
def test_neighbors_are_those_of_the_run(repeated_run, repetition):
    run = Run.open(repeated_run)
    data = explorer_data(run, MODELS, repetition)
    for model in data.models:
        for reading, points in model.places.items():
            found = model.neighbors[reading]
            assert found.shape == (data.tested, 5)
            assert (found >= 0).all()
            assert (data.photographs[data.photo][found] != data.photographs[data.photo][:, None]).all()
            table = run.neighbors(model.name, reading, repetition).set_index("sample")
            assert (data.sample[found] == table.loc[data.sample]).all(axis=None), points.shape


def test_a_run_without_neighbors_has_none(made_run, tmp_path):
    store = Store(shutil.copytree(made_run, tmp_path / "run"))
    store.remove(*(neighbors_path(model, reading) for model in MODELS for reading in READINGS))
    run = Run.open(store.root)
    assert run.neighbors(MODELS[0]) is None
    assert not explorer_data(run, MODELS).models[0].neighbors


def test_one_repetition(repeated_run):
    run = Run.open(repeated_run)
    everything, one = explorer_data(run, MODELS), explorer_data(run, MODELS, repetition=1)
    assert everything.repetitions == (0, 1, 2)
    assert one.repetitions == (1,)
    assert everything.tested == 3 * one.tested
    assert set(run.samples.set_index("sample").loc[one.sample, "repetition"]) == {1}


def test_packed_arrays_are_where_the_header_says(data):
    header, parts = packed(data)
    json.dumps(header, allow_nan=False)
    model, theirs = header["models"][1], data.models[1]
    for part, entry, array in (
        ("points", header["points"]["sample"], data.sample),
        ("points", header["points"]["value"], data.value),
        ("model/1", model["points"]["places"][DONE], theirs.places[DONE]),
        ("model/1", model["points"]["predicted"], theirs.predicted),
        (
            "neighbors/1",
            model["neighbors"][DONE],
            np.where(theirs.neighbors[DONE] < 0, data.tested, theirs.neighbors[DONE]),
        ),
    ):
        read = np.frombuffer(parts[part], entry["type"], entry["length"], entry["offset"])
        np.testing.assert_array_equal(read, array.ravel())
        assert entry["offset"] % 4 == 0


def test_models_that_learned_come_first(run):
    found = default_models(run)
    assert {*found[:2]} == set(MODELS)
    assert all(name.startswith("baseline/") for name in found[2:])
