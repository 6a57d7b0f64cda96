"""The page Inside without a browser."""

from __future__ import annotations

import re

import pytest

from probing_core.results import Run, leaderboard, summaries
from tests.dashboard.app_reading import figures, label, texts
from tests.dashboard.conftest import REFERENCE


def test_the_best_block_of_each_network_is_in_a_table(open_app, studied_run):
    app = open_app("Inside", run=studied_run)
    assert not app.exception
    run = Run.open(studied_run)
    (table,) = [t.value for t in app.dataframe]
    assert len(table) == len(summaries.best_layers(summaries.layers(run)))
    assert "Dotted: chance" in texts(app)


def test_encoders_are_counted_alike_on_the_page_and_in_the_sidebar(open_app):
    app = open_app("Inside", run=REFERENCE)
    assert not app.exception
    shown = texts(app)
    count = int(re.search(r"In \w+ of (\d+) networks", shown)[1])
    assert f"· {count} encoders ·" in shown
    counts = re.findall(
        r"(\d+) (?:encoder|inner block|baseline|further training)s?\b", shown.split("samples · ")[1][:99]
    )
    assert sum(map(int, counts)) == len(Run.open(REFERENCE).models)
    assert f"of the {count} encoders" in shown


def test_what_unseen_members_are_taken_for_follows_the_model(open_app):
    app = open_app("Inside", run=REFERENCE, part="unseen")
    assert not app.exception
    before = figures(app)
    label(app, "selectbox", "Model").select("zoo/clip").run()
    assert not app.exception
    assert label(app, "selectbox", "Division of the bank").value
    changed = [one["data"] != other["data"] for one, other in zip(before, figures(app), strict=True)]
    assert changed == [True, False, False, True], "two charts are of the model, two of all models"


def test_it_begins_with_the_best_encoder_that_has_blocks(open_app):
    app = open_app("Inside", run=REFERENCE, part="shift")
    run = Run.open(REFERENCE)
    board = leaderboard([run], "fine", "seen", baselines=False)
    able = board.loc[board["model"].isin(summaries.layers(run)["base"]), "model"]
    assert label(app, "selectbox", "Model").value == able.iloc[0]
    assert len(figures(app)) == 3, "its blocks are drawn as well"


@pytest.mark.parametrize("missing", [False, True])
def test_how_far_an_embedding_moves(open_app, studied_run, made_run, missing):
    app = open_app("Inside", run=made_run if missing else studied_run, part="shift")
    assert not app.exception
    assert bool(app.info) == missing
    assert bool(figures(app)) != missing
