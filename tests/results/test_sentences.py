"""The sentences of pages: what they name, and what they say where nothing is decided."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from probing_core.results import Run, leaderboard
from probing_core.results.sentences import finding, layers_finding, shift_finding

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


def board(values: dict[str, float], level: str = "", half: float = 0.02) -> pd.DataFrame:
    """As `leaderboard` gives it; models in ``level`` are not distinguished from the first."""
    table = pd.DataFrame({"model": list(values), "value": list(values.values())})
    table = table.assign(seed_of="", low=table["value"] - half, high=table["value"] + half, chance=1 / CLASSES)
    return table.assign(apart=[i > 0 and model not in level for i, model in enumerate(values)])


FOUR = {"a": 0.5, "b": 0.49, "c": 0.48, "d": 0.2}


def test_finding_names_the_best_with_its_interval_and_chance():
    sentence = finding(board(FOUR), CLASSES, lambda name: f"<{name}>")
    assert re.findall(r"<(\w)>", sentence) == ["a"]
    assert re.findall(r"[\d.]+%", sentence) == ["50.0%", "95%", "3.2%"]
    assert "48.0\N{EN DASH}52.0" in sentence
    assert "undecided" not in sentence


MANY = {letter: 0.5 - i / 100 for i, letter in enumerate("abcdefghi")}
SEED = board(FOUR, "b").assign(seed_of=["", "a", "", ""])


@pytest.mark.parametrize(
    ("rows", "named", "words"),
    [
        (board(FOUR, "b"), "ab", "not significantly different"),
        (board(FOUR, "bc"), "abc", "not significantly different"),
        (board(FOUR, "bcd"), "a", "undecided"),
        (board(MANY, "bcdef"), "a", "5 of the 8 others"),
        (SEED, "a", "3 encoders"),
        (board({"a": 0.04, "b": 0.03}), "a", "No model is shown to be above chance"),
        (board({"a": 0.5}).assign(low=np.nan, high=np.nan), "a", "no interval: too few photographs"),
        (board({"a": 0.5}), "a", "50.0%"),
        (pd.DataFrame(), "", "no scores"),
    ],
)
def test_finding_says_no_more_than_is_decided(rows, named, words):
    sentence = finding(rows, CLASSES, lambda name: f"<{name}>")
    assert "".join(sorted(re.findall(r"<(\w)>", sentence))) == named
    assert words in sentence


def test_finding_is_that_of_the_run(made_run):
    run = Run.open(made_run)
    models = leaderboard(run, "fine", "seen", baselines=False)
    assert set(models["model"]) == {"zoo/mae", "timm:tf_efficientnet_lite0"}
    everything = leaderboard(run, "fine", "seen")
    assert set(everything["model"]) == set(run.models["name"])
    best = models.iloc[0]
    sentence = finding(models, len(run.classes("fine")))
    assert best["model"] in sentence
    assert f"{100 * best['value']:.1f}%" in sentence
    assert f"{100 * best['low']:.1f}\N{EN DASH}{100 * best['high']:.1f}" in sentence
    corrected = everything[everything["model"].isin(models["model"])].set_index("model")["p"].max()
    assert models["p"].max() <= corrected, "fewer comparisons are corrected for less"


def test_networks_that_forget_what_was_done_are_counted_and_the_greatest_fall_is_named():
    rows = layers_of(
        a=((0.4, 0.85, 0.71), (0.12, 0.5, 0.92)), b=((0.5, 0.6, 0.58), (0.1, 0.2, 0.3)), c=((0.9, 0.5), (0.1, 0.2))
    )
    assert layers_finding(rows, str.upper) == (
        "In 2 of 3 networks an inner block knows better than the last one what was done to a picture (the intervals of "
        "the two do not overlap). Most of all in C, block 1 of 2 names it in 90% of pictures, the last block in 50%. "
        "What is shown, block 1 names in 10%, the last block in 20%."
    )
    alone = layers_finding(rows[(rows["base"] == "a") & (rows["task"] == "fine")])
    assert alone.startswith("In 1 of 1 network ")
    assert alone.endswith("do not overlap). In a, block 2 of 3 names it in 85% of pictures, the last block in 71%.")


def test_only_networks_that_learned_are_counted_and_each_once():
    heights = ((0.4, 0.85, 0.71), (0.12, 0.5, 0.92))
    others = {"a@seed=1": heights, "baseline/random-vit": heights}
    rows = layers_of(a=heights, **others, b=((0.5, 0.6, 0.58), (0.1, 0.2, 0.3)))
    assert layers_finding(rows) == layers_finding(rows[~rows["base"].isin(others)])
    assert layers_finding(rows).startswith("In 1 of 2 networks ")
    assert layers_finding(rows[rows["base"] == "baseline/random-vit"]).startswith("In 1 of 1 network ")


def test_a_fall_within_the_intervals_is_none():
    rows = layers_of(b=((0.5, 0.6, 0.58), (0.1, 0.2, 0.3)), c=((0.5, 0.6), (0.1, 0.2)))
    assert layers_finding(rows).startswith("In none of 2 networks")


@pytest.mark.parametrize(
    ("recalls", "words"),
    [
        ([0.2, 0.1, 0.6, 0.7, 0], "are recognized more often (rank correlation 0.80 over 4)."),
        ([0.9, 0.6, 0.5, 0.1, 1], "are not recognized more often (rank correlation \u22121.00 over 4)."),
    ],
)
def test_whether_moves_and_recognition_go_together_is_said_without_identity(recalls, words):
    rows = pd.DataFrame(
        {"value": [0.1, 0.2, 0.3, 0.4, 9], "value_recall": recalls, "group": [*["blur"] * 4, "identity"]}
    )
    assert shift_finding(rows, "m") == f"In m the transformations that move an embedding further {words}"
    assert shift_finding(rows.iloc[2:], "m") == ""
