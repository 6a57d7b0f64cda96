"""A model is asked about a picture once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dashboard import rights
from dashboard.data import predictions, previews
from dashboard.data.pictures import VisitorPicture, computing
from dashboard.data.predictions import Answers
from probing_core.answers.answer_quality import quality
from probing_core.answers.crops import Crops
from probing_core.api.model_answers import held_out
from probing_core.api.predictor import Predictor
from probing_core.models import hub
from probing_core.results import Run
from probing_core.run.live import LoadedModels
from probing_core.transforms import resolve

MODEL = "baseline/pixels"


@pytest.fixture
def crops():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for _ in range(4)]
    return [
        Crops(pictures[0]),
        Crops(pictures[1]),
        Crops(pictures[0], (pictures[2],)),
    ]


def test_it_predicts_what_the_predictor_does_and_runs_only_what_is_new(made_run, crops, monkeypatch):
    asked = []
    embed = LoadedModels.embed

    def counting(self, entry, pictures):
        asked.append(len(pictures))
        return embed(self, entry, pictures)

    monkeypatch.setattr(LoadedModels, "embed", counting)
    run = Run.open(made_run)
    plain = Predictor(run).ask(MODEL, crops)
    asked.clear()
    visit = Answers()
    first = visit.of(run, MODEL, crops[:2])
    again = visit.of(run, MODEL, [crops[2], crops[1], crops[0], crops[0]])
    assert asked == [2, 2]  # two pictures, then the whole and the tile of the one that is new
    assert again[1] is first[1]
    assert again[2] is again[3] is first[0]
    for cached, known in zip([*first, again[0]], plain, strict=True):
        np.testing.assert_allclose(cached.prediction.probabilities, known.prediction.probabilities, rtol=1e-5)
        np.testing.assert_allclose(cached.prediction.embedding, known.prediction.embedding, rtol=1e-5)


def test_models_are_prepared_in_a_thread(made_run, crops, monkeypatch):
    run = Run.open(made_run)
    thread = predictions.prepare(run, [MODEL])
    assert thread is not None
    thread.join(120)
    monkeypatch.setattr("probing_core.run.live.load_embedder", lambda *_, **__: pytest.fail("loaded again"))
    assert predictions.ask(run, MODEL, crops[:1])


def test_while_a_model_is_loaded_the_page_writes_again_and_again_and_else_not_at_all(made_run, monkeypatch):
    run = Run.open(made_run)
    predictions.predictor_of(run).prepare(MODEL)
    assert not list(predictions.loading(run, MODEL)), "it was loaded before"
    heard = threading.Event()
    monkeypatch.setattr(Predictor, "prepare", lambda *_: heard.wait(60))
    written = 0
    for _ in predictions.loading(run, MODEL):
        written += 1
        if written == 3:
            heard.set()
    assert written >= 3


def test_answers_forget_the_oldest(made_run, crops):
    run, visit = Run.open(made_run), Answers(largest=1)
    first = visit.of(run, MODEL, crops[:2])
    assert visit.of(run, MODEL, crops[1:2])[0] is first[1]
    assert visit.of(run, MODEL, crops[:1])[0] is not first[0]


def test_answers_of_two_visits_are_apart(made_run, crops):
    run = Run.open(made_run)
    (first,) = Answers().of(run, MODEL, crops[:1])
    (second,) = Answers().of(run, MODEL, crops[:1])
    assert first is not second
    np.testing.assert_allclose(first.prediction.embedding, second.prediction.embedding, rtol=1e-5)


@pytest.mark.parametrize("allowed", [True, False])
def test_only_a_visitor_with_rights_has_models_downloaded(made_run, crops, monkeypatch, allowed):
    may = []
    monkeypatch.setattr(Predictor, "ask", lambda self, model, pictures: may.append(hub._downloads.get()) or pictures)
    monkeypatch.setattr(Predictor, "prepare", lambda self, model: may.append(hub._downloads.get()))
    monkeypatch.setattr(rights, "allowed", lambda: allowed)
    run = Run.open(made_run)
    monkeypatch.setattr(predictions, "predictor_of", Predictor)
    monkeypatch.setattr(predictions, "_answers", Answers)
    predictions.ask(run, MODEL, crops[:1])
    list(predictions.loading(run, MODEL))
    thread = predictions.prepare(run, [MODEL])
    assert thread is not None
    thread.join()
    assert may == [allowed, allowed, allowed, False]  # two when the model is asked, which is loaded first
    assert hub._downloads.get()


def test_accuracies_are_those_of_methods(made_run):
    run = Run.open(made_run)
    rows = held_out(run, run.live_models)
    right = {model: quality(mine).accuracy.value for model, mine in rows.groupby("model")} if len(rows) else {}
    assert predictions.accuracies(run) == right


def test_class_table_states_no_probability_of_an_image_that_may_not_be_a_photograph(made_run, crops):
    asked = Answers()
    given = asked.of(Run.open(made_run), MODEL, [crops[0], replace(crops[0], is_flat=True)])
    table = predictions.class_table([answer.row("a.png") for answer in given])
    (flat,) = table[table["answer"] == "may not be a photograph"].to_dict("records")
    assert len(table) == 1 + len(given[0].row("a.png")["classes"])
    assert all(pd.isna(flat[name]) for name in ("edited", "class", "probability"))


def test_images_of_visitors_are_computed_one_at_a_time(made_run, crops, monkeypatch):
    """Otherwise, the pages of all other visitors would wait for many computations at once."""
    run, most, at_work = Run.open(made_run), [0], []

    def computed(result):
        at_work.append(result)
        most[0] = max(most[0], len(at_work))
        time.sleep(0.05)
        at_work.pop()
        return result

    ask, encode = Predictor.ask, previews.encode_jpeg
    monkeypatch.setattr(Predictor, "ask", lambda self, *asked: computed(ask(self, *asked)))
    monkeypatch.setattr(previews, "encode_jpeg", lambda *image, **how: computed(encode(*image, **how)))
    pictures = [VisitorPicture.from_array("mine", one.images[0]) for one in crops[:2]]
    with ThreadPoolExecutor(4) as visitors:
        answers = [visitors.submit(Answers().of, run, MODEL, crops) for _ in range(2)]
        sheets = [visitors.submit(previews.contact_sheet, picture, (resolve("jpeg"),)) for picture in pictures]
    assert all(len(answer.result()) == len(crops) for answer in answers)
    assert all(list(sheet.result()) == ["jpeg"] for sheet in sheets)
    assert most == [1]


def test_other_computations_do_not_wait_for_a_model_that_is_loading(made_run, crops, monkeypatch):
    free, prepare = [], Predictor.prepare

    def loads(self, model):
        with computing:  # would wait for ever if the visitor held it
            free.append(model)
        prepare(self, model)

    monkeypatch.setattr(Predictor, "prepare", loads)
    with ThreadPoolExecutor(1) as visitor:
        assert visitor.submit(Answers().of, Run.open(made_run), MODEL, crops[:1]).result(timeout=60)
    assert free == [MODEL]
