"""The pictures of a game, the answers of the models, and the score."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest

from dashboard.data import game
from lab.devtools.run_edits import put
from probing_core.answers.answer import Posterior, answer_word
from probing_core.compute.task_names import NOTICING
from probing_core.measures.notation import decimal
from probing_core.results import Run
from probing_core.run.layout import predictions_path, probe_path
from probing_core.run.run_files import RunFiles


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


def test_a_game_asks_the_same_tested_samples_of_every_visitor(run):
    first = game.draw_samples(run, 1)
    assert first == game.draw_samples(run, 1) != game.draw_samples(run, 2)
    assert len(first) == game.ROUNDS
    rows = run.sample_rows(np.array(first))
    assert set(first) <= set(run.predictions(game.players(run)[0], "fine")["sample"])
    assert not set(rows["transform"]) & set(run.far)


def test_groups_are_asked_alike_often_however_many_transformations_they_have(run):
    groups = set(game.groups_of(run).values())
    counts = Counter(
        g for number in range(60) for g in run.sample_rows(np.array(game.draw_samples(run, number)))["group"]
    )
    assert set(counts) == groups
    expected = 60 * game.ROUNDS / len(groups)
    # Five standard deviations of a multinomial count.
    assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in counts.values())


def test_answers_are_those_of_the_predictions_and_right_by_group(run):
    asked = game.draw_samples(run, 3)
    given = game.answers(run, asked)
    groups = dict(zip(run.transforms["transform"], run.transforms["group"], strict=True))
    for model in game.players(run):
        mine = given[given["player"] == model]
        rows = run.predictions(model, "fine").set_index("sample")
        for number, sample in enumerate(asked):
            row = mine[mine["round"] == number].iloc[0]
            assert row["answer"] == rows.loc[sample, "predicted"]
            assert row["probability"] == rows.loc[sample, "p_predicted"]
            assert row["right"] == (groups[row["answer"]] == groups[rows.loc[sample, "truth"]])


def test_the_standing_counts_the_rounds_that_were_guessed(run):
    asked = game.draw_samples(run, 3)
    given = game.answers(run, asked)
    truths = {number: game.alteration_of(run, asked[number])[1] for number in range(3)}
    table = game.standing(given, {0: truths[0], 1: "no such group", 2: truths[2]}, truths).set_index("player")
    assert table.loc[game.YOU, "right"] == 2
    for model in game.players(run):
        rights = given[(given["player"] == model) & (given["round"] < 3)]["right"]
        assert table.loc[model, "right"] == rights.sum()
    assert table["right"].is_monotonic_decreasing


def test_what_was_done_is_told_with_its_strength(run):
    rows = run.samples
    blurred = rows[rows["transform"] == "gaussian-blur"].iloc[0]
    transform, group, strength = game.alteration_of(run, int(blurred["sample"]))
    assert (transform, group) == ("gaussian-blur", "blur")
    assert strength == f"sigma {decimal(blurred['strength'], 2)} px"
    clean = rows[rows["transform"] == "identity"].iloc[0]
    assert game.alteration_of(run, int(clean["sample"])) == ("identity", "identity", "")


@pytest.fixture
def answering(made_run, tmp_path) -> Run:
    """The made run with answers about its tested samples: scores around the offset."""
    store = RunFiles(shutil.copytree(made_run, tmp_path / "run"))
    for model, posterior in (("baseline/pixels", Posterior(2.0, 0.5)), ("baseline/handcrafted", Posterior())):
        table = store.read_table(predictions_path(model, "fine"))
        scores = np.random.default_rng(0).normal(0.5, 4, len(table))
        columns = {"altered": posterior.probability(scores).astype(np.float32), "named": "gamma"}
        put(store, {predictions_path(model, "fine"): table.assign(**columns)})
        put(store, {probe_path(model, NOTICING): posterior.to_bytes()})
    return Run.open(store.root)


def test_players_leave_out_models_that_never_decide(answering):
    assert "baseline/pixels" in game.players(answering)
    assert "baseline/handcrafted" not in game.players(answering)


def test_answers_of_the_game_are_those_of_an_upload(answering):
    asked = game.draw_samples(answering, 3)
    given = game.answers(answering, asked).query("player == 'baseline/pixels'").set_index("sample")
    rows = answering.predictions("baseline/pixels", "fine").set_index("sample")
    for sample in asked:
        edited = float(rows.loc[sample, "altered"])
        word = answer_word(edited)
        expected = {"edited": "gamma", "probably edited": "gamma", "inconclusive": ""}.get(word, "identity")
        one = given.loc[[sample]].iloc[0]
        assert one["answer"] == expected
        assert one["probability"] == pytest.approx(1 - edited if expected == "identity" else edited, abs=1e-4)
        assert not (one["right"] and word == "inconclusive")
