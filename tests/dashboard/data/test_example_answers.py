"""Recorded answers for the example images."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.components.explorer import explorer_of
from dashboard.data import example_answers, examples, own_picture, predictions
from dashboard.data.pictures import VisitorPicture
from probing_core.answers.crops import cut
from probing_core.api.predictor import Predictor
from probing_core.compute.task_names import DETECTOR
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.results.explorer.data import MAX_COORDINATE


@pytest.fixture(scope="module")
def reference() -> Run:
    return Run.open(reference_run())


@pytest.mark.parametrize("name", ["blur", "sepia", "screenshot"])
def test_recorded_answers_are_those_of_the_reference_run(reference, name):
    """After a change of the reference run: ``python -m lab.scripts.example_answers``."""
    crops = cut(examples.example(name).image, reference.recipe.view)
    assert all(predictions.is_recorded(reference, model, [crops]) for model in (DETECTOR, *reference.live_models))
    recorded = example_answers.recorded(reference)
    predictor = Predictor(reference)
    for model in (DETECTOR, "baseline/pixels"):
        (answer,) = predictor.ask(model, [crops])
        kept = recorded[model, predictions.digest_of(crops)]
        row, kept_row = answer.row(name), kept.row(name)
        assert {k: v for k, v in row.items() if k in ("answer", "unavailable", "no_color", "verdict")} == {
            k: v for k, v in kept_row.items() if k in ("answer", "unavailable", "no_color", "verdict")
        }
        assert kept.score == pytest.approx(answer.score, rel=1e-4, nan_ok=True)
        np.testing.assert_allclose(kept.prediction.probabilities, answer.prediction.probabilities, atol=1e-5)


def test_an_example_is_on_the_maps_without_loading_a_model(reference, monkeypatch):
    monkeypatch.setattr(predictions, "crops_of", lambda run, picture: cut(picture.image, run.recipe.view))
    monkeypatch.setattr(Predictor, "ask", lambda *_: pytest.fail("a model was loaded"))
    data = explorer_of(reference).data
    for points in data.models:
        if own_picture.why_no_place(reference, data, points.name):
            continue
        places = [own_picture.recorded_place(reference, points.name, examples.example(name)) for name in examples.NAMES]
        assert all(np.abs(place).max() <= MAX_COORDINATE for place in places)
        assert len(set(places)) > 1
    changed = VisitorPicture.from_array("mine", examples.example("blur").image[::-1].copy())
    assert own_picture.recorded_place(reference, data.models[0].name, changed) is None


@pytest.mark.slow
def test_recorded_positions_are_those_of_the_reference_run(reference, monkeypatch):
    """After a change of the reference run: ``python -m lab.scripts.example_answers``."""
    monkeypatch.setattr(predictions, "crops_of", lambda run, picture: cut(picture.image, run.recipe.view))
    data, picture, model = explorer_of(reference).data, examples.example("blur"), "baseline/handcrafted"
    recorded = own_picture.recorded_place(reference, model, picture)
    assert recorded == pytest.approx(own_picture.place_of(reference, data, model, picture), abs=1)


def test_no_answers_are_recorded_for_other_runs_and_images(reference, made_run):
    changed = cut(examples.example("blur").image[::-1].copy(), reference.recipe.view)
    assert not predictions.is_recorded(reference, DETECTOR, [changed])
    assert example_answers.recorded(Run.open(made_run)) == {}


def test_an_embedding_is_computed_although_the_answer_is_recorded(reference):
    crops = cut(examples.example("blur").image, reference.recipe.view)
    model = "baseline/pixels"
    (answer,) = predictions.ask(reference, model, [crops])
    assert not answer.prediction.embedding.size
    (embedding,) = predictions.embed(reference, model, [crops])
    (expected,) = Predictor(reference).ask(model, [crops])
    np.testing.assert_allclose(embedding, expected.prediction.embedding, rtol=1e-5)
