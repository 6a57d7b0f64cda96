"""The first sentence of Overview: what it names, and its words where nothing is decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.results import Run, leaderboard
from probing_core.results.sentences import about_trainings, finding, layers_finding, shift_finding

CLASSES = 31


def layers_of(**values: tuple[tuple[float, ...], tuple[float, ...]]) -> pd.DataFrame:
    """Rows of `layers`: base -> (fine, content) block by block; intervals of 5 points, the best fine block chosen."""
    return pd.DataFrame(
        [
            {"base": base, "task": task, "layer": layer, "value": value, "low": value - 0.05, "high": value + 0.05}
            | {"chosen": value == max(blocks)}
            for base, tasks in values.items()
            for task, blocks in zip(("fine", "content"), tasks, strict=True)
            for layer, value in enumerate(blocks, 1)
        ]
    )


def board(values: dict[str, float], apart: dict[str, bool] | None = None, half: float = 0.02) -> pd.DataFrame:
    """As `leaderboard` gives it; ``apart`` tells which of them differ from the first."""
    rows = [
        {
            "model": m,
            "seed_of": "",
            "value": v,
            "low": v - half,
            "high": v + half,
            "chance": 1 / CLASSES,
            "apart": bool(i),
        }
        for i, (m, v) in enumerate(values.items())
    ]
    table = pd.DataFrame(rows)
    table["apart"] = [(apart or {}).get(m, decided) for m, decided in zip(table["model"], table["apart"], strict=True)]
    return table


FOUR = {"a": 0.5, "b": 0.49, "c": 0.48, "d": 0.2}


def test_a_leader_is_named_with_its_interval_and_what_guessing_gives():
    assert finding(board(FOUR), CLASSES, lambda name: f"<{name}>") == (
        "Of 4 encoders, <a> knows most about how a picture was changed: from its embedding a probe names which of 30 "
        "transformations was applied, if any, in 50.0 % of the test images (95 % interval 48.0 to 52.0), where "
        "guessing gives 3.2 %."
    )


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("b", "<a> knows most about how a picture was changed (<b> is not distinguished from it): from its"),
        ("bc", "(<b> and <c> are not distinguished from it)"),
        (
            "bcd",
            "Which of 4 encoders knows most about how a picture was changed is not decided: from the embedding",
        ),
    ],
)
def test_models_that_are_not_distinguished_are_named(level, words):
    assert words in finding(board(FOUR, dict.fromkeys(level, False)), CLASSES, lambda name: f"<{name}>")


def test_other_seeds_are_no_further_models():
    rows = board(FOUR, {"b": False})
    rows.loc[rows["model"] == "b", "seed_of"] = "a"
    assert finding(rows, CLASSES).startswith("Of 3 encoders, a knows most about how a picture was changed: from its")


def test_trainings_that_move_a_score_beyond_its_interval_are_counted():
    rows = board({"a": 0.5, "a@seed=1": 0.49, "b": 0.4, "b@seed=1": 0.45})
    assert about_trainings(rows) == ""
    rows.loc[rows["model"].str.contains("@"), "seed_of"] = ["a", "b"]
    assert about_trainings(rows).startswith("1 of 2 ticks is outside the bar")
    assert about_trainings(rows[rows["model"].str.startswith("a")]) == ""


def test_of_many_the_number_is_given():
    models = {f"m{i}": 0.5 - i / 100 for i in range(9)}
    assert "(5 of the 8 others are not distinguished from it)" in finding(
        board(models, {f"m{i}": False for i in range(1, 6)}), CLASSES
    )


def test_what_is_not_above_chance_is_no_knowledge():
    found = finding(board({"a": 0.04, "b": 0.03}), CLASSES)
    assert found.startswith("No knowledge of how a picture was changed is established: from the embedding of a, the")
    assert "(95 % interval 2.0 to 6.0), where guessing gives 3.2 %" in found


def test_without_an_interval_nothing_is_established():
    found = finding(board({"a": 0.5}).assign(low=np.nan, high=np.nan), CLASSES)
    assert "No knowledge" in found
    assert "(no interval: too few photographs)" in found


def test_one_model_is_compared_with_guessing_alone():
    assert finding(board({"a": 0.5}), CLASSES).startswith("From the embedding of a a probe names which of 30")


def test_nothing_scored():
    assert finding(pd.DataFrame(), CLASSES) == "No model of this run has been scored yet."


def test_it_is_that_of_the_run(made_run):
    run = Run.open(made_run)
    models = leaderboard([run], "fine", "seen", baselines=False)
    assert set(models["model"]) == {"zoo/mae", "timm:tf_efficientnet_lite0"}
    everything = leaderboard([run], "fine", "seen")
    assert set(everything["model"]) == set(run.models["name"])
    best = models.iloc[0]
    sentence = finding(models, len(run.classes("fine")))
    assert best["model"] in sentence
    assert f"{100 * best['value']:.1f} % of the test images (95 % interval {100 * best['low']:.1f}" in sentence
    corrected = everything[everything["model"].isin(models["model"])].set_index("model")["p"].max()
    assert models["p"].max() <= corrected, "fewer comparisons are corrected for less"


def test_networks_that_forget_what_was_done_are_counted_and_the_greatest_fall_is_named():
    rows = layers_of(
        a=((0.4, 0.85, 0.71), (0.12, 0.5, 0.92)), b=((0.5, 0.6, 0.58), (0.1, 0.2, 0.3)), c=((0.9, 0.5), (0.1, 0.2))
    )
    assert layers_finding(rows, str.upper) == (
        "In 2 of 3 networks an inner block knows better than the last one what was done to a picture (the intervals of "
        "the two do not overlap). Most of all in C, block 1 of 2 names it in 90 % of pictures, the last block in 50 %. "
        "What is shown, block 1 names in 10 %, the last block in 20 %."
    )
    alone = layers_finding(rows[(rows["base"] == "a") & (rows["task"] == "fine")])
    assert alone.startswith("In 1 of 1 network ")
    assert alone.endswith("do not overlap). In a, block 2 of 3 names it in 85 % of pictures, the last block in 71 %.")


def test_a_network_with_another_seed_is_not_counted_among_those_that_forget():
    heights = ((0.4, 0.85, 0.71), (0.12, 0.5, 0.92))
    rows = layers_of(**{"a": heights, "a@seed=1": heights, "b": ((0.5, 0.6, 0.58), (0.1, 0.2, 0.3))})
    assert layers_finding(rows) == layers_finding(rows[rows["base"] != "a@seed=1"])
    assert layers_finding(rows).startswith("In 1 of 2 networks ")


def test_a_network_that_learned_nothing_is_counted_only_where_no_other_is():
    heights = ((0.4, 0.85, 0.71), (0.12, 0.5, 0.92))
    rows = layers_of(**{"a": heights, "baseline/random-vit": heights, "b": ((0.5, 0.6, 0.58), (0.1, 0.2, 0.3))})
    assert layers_finding(rows).startswith("In 1 of 2 networks ")
    assert layers_finding(rows[rows["base"] == "baseline/random-vit"]).startswith("In 1 of 1 network ")


def test_a_fall_within_the_intervals_is_none():
    rows = layers_of(b=((0.5, 0.6, 0.58), (0.1, 0.2, 0.3)), c=((0.5, 0.6), (0.1, 0.2)))
    assert layers_finding(rows).startswith("In none of 2 networks")


def shifted(moves: list[float], recalls: list[float]) -> pd.DataFrame:
    rows = {"transform": list("abcd"), "value": moves, "value_recall": recalls, "group": "blur"}
    own = {"transform": ["identity"], "value": [9.0], "value_recall": [0.0], "group": "identity"}
    return pd.concat([pd.DataFrame(rows), pd.DataFrame(own)], ignore_index=True)


def test_moves_and_recognition_that_go_together_are_said_to_with_what_stands_out():
    assert shift_finding(shifted([0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.6, 0.7]), "m") == (
        "In m the transformations that move an embedding further are recognized more often (rank correlation 0.80 "
        "over 4). The largest exceptions: **b** moves it by 20 % of the distance between two photographs and is "
        "recognized in 10 %; **a** moves it by 10 % and is recognized in 20 %."
    )


def test_an_order_without_an_exception_names_none():
    assert shift_finding(shifted([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.6, 0.7]), "m").endswith("1.00 over 4).")


def test_moves_that_tell_nothing_are_not_said_to():
    words = shift_finding(shifted([0.1, 0.2, 0.3, 0.4], [0.9, 0.6, 0.5, 0.1]), "m")
    assert "are not recognized more often (rank correlation \u22121.00 over 4)" in words
    assert "Two examples: **d** moves it by 40 %" in words
    assert shift_finding(shifted([0.1] * 4, [0.1] * 4).iloc[3:], "m") == ""
