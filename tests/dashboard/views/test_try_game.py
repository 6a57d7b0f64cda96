"""The tab You vs. the models of Try your images."""

from __future__ import annotations

import pytest

from dashboard.data import game
from dashboard.text import named, plain
from probing_core.measures.notation import model_title
from probing_core.results import Run
from tests.dashboard.app_reading import texts


def press(app, label):
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_a_guess_shows_what_was_done_and_what_every_model_says(open_app, made_run):
    app = open_app("Try your images", part="game", run=made_run, game="3")
    run = Run.open(made_run)
    asked = game.draw_samples(run, 3)
    transform, group, _ = game.alteration_of(run, asked[0])
    assert "Image 1 of 10" in texts(app)
    press(app, "clean" if group == "identity" else group)
    assert not app.exception
    assert any(("Correct: " in box.value) for box in app.success)
    assert transform == "identity" or named(transform) in app.success[0].value
    shown = app.dataframe[0].value
    given = game.answers(run, asked)
    expected = given[given["round"] == 0].set_index("player")
    assert dict(zip(shown["player"], shown["answer"], strict=True)) == {
        model_title(player): named(answer) for player, answer in expected["answer"].items()
    }, "names are for people, in the download, too"
    assert "You: **1 of 1** correct" in texts(app)


def test_the_first_image_is_shown_before_any_model_answers(open_app, made_run, monkeypatch):
    def answers(run, samples):
        raise AssertionError("answers of all models take seconds")

    monkeypatch.setattr(game, "answers", answers)
    app = open_app("Try your images", part="game", run=made_run, game="5")
    assert not app.exception
    assert "Image 1 of 10" in texts(app)


def test_the_first_player_is_the_first_of_all(made_run):
    run = Run.open(made_run)
    assert game.first_player(run) == game.players(run)[0]


def test_ten_pictures_are_a_game_and_another_one_asks_others(open_app, made_run):
    app = open_app("Try your images", part="game", run=made_run, game="3")
    for number in range(game.ROUNDS):
        assert f"Image {number + 1} of 10" in texts(app)
        press(app, "noise")
        if number + 1 < game.ROUNDS:
            press(app, "Next image")
    assert not app.exception
    assert "of 10** correct" in texts(app)
    press(app, "Play again")
    assert "Image 1 of 10" in texts(app)
    assert app.query_params["game"] != ["3"]


@pytest.mark.parametrize("text", ["", "-1", "x", "1" * 5000, "²"])
def test_an_address_that_names_no_game_gets_a_new_one(open_app, text):
    app = open_app("Try your images", part="game", game=text)
    assert not app.exception
    assert "Image 1 of 10" in texts(app)


def test_a_run_without_pictures_says_why(open_app, shipped_run):
    app = open_app("Try your images", part="game", run=shipped_run)
    assert not app.exception
    assert plain(Run.open(shipped_run).pictures.why_not) in texts(app)
    assert not [button for button in app.button if button.label == "clean"]
