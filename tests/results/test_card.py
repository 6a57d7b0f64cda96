"""The section of a model card, and the metadata that a hub reads from it."""

from __future__ import annotations

import re

import pytest

from probing_core.cli import main
from probing_core.errors import UnknownName
from probing_core.images import read_image
from probing_core.measures.notation import in_percent
from probing_core.results import Run
from probing_core.results.card import model_card

MODEL = "zoo/mae"


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


@pytest.fixture(scope="module")
def text(run):
    return model_card(run, MODEL)


def test_the_table_has_the_scores_of_the_run_with_their_intervals(run, text):
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.*?) \| (\d+) \|$", text, re.M)
    assert len(rows) >= 13
    scores = run.scores.query("model == @MODEL")
    fine = scores.query("task == 'fine' and subset == 'all' and measure == 'balanced-accuracy'").iloc[0]
    ends = f"{100 * fine['low']:.1f} to {100 * fine['high']:.1f}"
    assert rows[0][1:] == (
        "balanced accuracy",
        in_percent(fine["value"], 1),
        ends,
        in_percent(1 / 31, 1),
        str(fine["bases"]),
    )
    assert rows[0][0] == "which of 30 transformations was applied, if any"
    blur = scores.query("task == 'fine' and subset == 'group:blur' and measure == 'recall'").iloc[0]
    assert in_percent(blur["value"], 1) in next(row for row in rows if "group blur" in row[0])
    unseen = scores.query("task.str.startswith('group-') and subset == 'unseen' and measure == 'group-hit-rate'")
    (mine,) = (row for row in rows if "no probe learned from" in row[0])
    assert mine[2] == in_percent(unseen["value"].mean(), 1)


def test_what_was_not_measured_is_said(text, tmp_path):
    assert "### Not measured" in text
    assert "- Other photographs than those of this corpus (photos)" in text
    assert "- How much of a score is the draw of strengths and noise" in text


def test_the_hub_reads_the_same_numbers(run, text):
    from huggingface_hub import ModelCard

    card = ModelCard(text)
    results = card.data.eval_results
    assert card.data.model_name == MODEL
    scores = run.scores.query("model == @MODEL")
    fine = scores.query("task == 'fine' and subset == 'all' and measure == 'balanced-accuracy'").iloc[0]
    first = results[0]
    assert first.metric_type == "balanced-accuracy"
    assert first.metric_value == pytest.approx(fine["value"], abs=1e-4)
    assert first.metric_args["low"] == pytest.approx(fine["low"], abs=1e-4)
    assert first.metric_args["photographs"] == fine["bases"]
    assert (first.dataset_config, first.dataset_split, first.dataset_type) == ("fine", "test", "photos")
    assert first.dataset_revision == run.recipe.fingerprint
    assert len(results) == len(re.findall(r"^\| .* \|$", text, re.M)) - 2


def test_a_path_of_this_machine_is_not_told(run):
    from dataclasses import replace

    elsewhere = replace(run, recipe=replace(run.recipe, corpus="folder:/home/somebody/secret"))
    assert "secret" not in model_card(elsewhere, MODEL)


def test_the_command_prints_or_writes_it(made_run, text, tmp_path, capsys):
    assert main(["card", "--run", str(made_run), "--model", MODEL]) == 0
    assert capsys.readouterr().out == text
    assert main(["card", "--run", str(made_run), "--model", MODEL, "--out", str(tmp_path / "card.md")]) == 0
    written = (tmp_path / "card.md").read_text(encoding="utf-8")
    shown = "![Recall of each group of transformations, with 95 % intervals](card.png)\n\n"
    assert written.replace(shown, "") == text
    assert shown in written
    assert read_image(tmp_path / "card.png").shape[1] == 960
    assert main(["card", "--run", str(made_run), "--model", "zoo/none"]) == 2
    assert "It has: zoo/mae" in capsys.readouterr().err
    assert main(["card", "--run", str(tmp_path / "nowhere"), "--model", MODEL]) == 2
    capsys.readouterr()
    assert main(["card", "--model", MODEL]) == 0, "the reference run, where none is named"
    assert "type: reference" in capsys.readouterr().out


def test_a_model_that_the_run_lacks_is_told(run):
    with pytest.raises(UnknownName, match="no model 'zoo/none'"):
        model_card(run, "zoo/none")
