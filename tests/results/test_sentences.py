"""The sentences of pages: what they name, and what they say where nothing is decided."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lab.devtools.run_edits import put
from probing_core.results import Run, leaderboard, sentences
from probing_core.results.sentences import (
    about_probe_rows,
    about_selected_settings,
    finding,
    layers_finding,
    shift_finding,
)
from probing_core.run import layout
from probing_core.run.run_files import RunFiles

CLASSES = 31


def layers_of(half: float = 0.05, **values: tuple[tuple[float, ...], tuple[float, ...]]) -> pd.DataFrame:
    """Rows of `layers`: base -> (fine, content) accuracies by layer; the best fine layer is chosen.

    Args:
        half: half the width of the interval of a difference; NaN: there is none.
    """
    return pd.DataFrame(
        [
            {"base": base, "task": task, "layer": layer, "difference": value - layers[-1]}
            | {"difference_low": value - layers[-1] - half, "difference_high": value - layers[-1] + half}
            | {"chosen": value == max(layers)}
            for base, tasks in values.items()
            for task, layers in zip(("fine", "content"), tasks, strict=True)
            for layer, value in enumerate(layers, 1)
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
    assert "not significantly better" not in sentence


MANY = {letter: 0.5 - i / 100 for i, letter in enumerate("abcdefghi")}
SEED = board(FOUR, "b").assign(seed_of=["", "a", "", ""])


@pytest.mark.parametrize(
    ("rows", "named", "words"),
    [
        (board(FOUR, "b"), "ab", "not significantly different"),
        (board(FOUR, "bc"), "abc", "not significantly different"),
        (board(FOUR, "bcd"), "a", "not significantly better"),
        (board(MANY, "bcdef"), "a", "5 of the 8 others"),
        (SEED, "a", "3 encoders"),
        (board({"a": 0.04, "b": 0.03}), "a", "No model has a 95% CI above chance"),
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


THREE = {
    "a": ((0.4, 0.85, 0.71), (0.12, 0.5, 0.92)),
    "b": ((0.5, 0.6, 0.58), (0.1, 0.2, 0.3)),
    "c": ((0.9, 0.5), (0.1, 0.2)),
}


def test_layers_finding_counts_networks_and_states_the_largest_difference():
    sentence = layers_finding(layers_of(**THREE), str.upper)
    assert "2 of 3 networks" in sentence
    assert "layer 1 of C" in sentence
    assert "40.0 percentage points (95% CI +35.0 to +45.0)" in sentence
    assert "content accuracy is lower by 10.0 percentage points" in sentence
    assert not re.search(r"\b(90|50|85|71)(\.0)?%", sentence), "no absolute accuracy"


def test_layers_finding_of_one_task_and_network():
    rows = layers_of(**THREE)
    sentence = layers_finding(rows[(rows["base"] == "a") & (rows["task"] == "fine")])
    assert "1 of 1 network" in sentence
    assert "content" not in sentence


def test_layers_finding_counts_no_additional_seeds_and_no_untrained_networks():
    others = {"a@seed=1": THREE["a"], "baseline/random-vit": THREE["a"]}
    rows = layers_of(a=THREE["a"], **others, b=THREE["b"])
    assert layers_finding(rows) == layers_finding(rows[~rows["base"].isin(others)])
    assert "1 of 2 networks" in layers_finding(rows)
    assert "1 of 1 network" in layers_finding(rows[rows["base"] == "baseline/random-vit"])


def test_layers_finding_needs_an_interval_above_zero():
    assert "0 of 2 networks" in layers_finding(layers_of(b=THREE["b"], c=((0.5, 0.6), (0.1, 0.2))))


def test_layers_finding_without_intervals_claims_no_significance():
    sentence = layers_finding(layers_of(half=np.nan, **THREE))
    assert "40.0 percentage points" in sentence
    assert "CI" not in sentence
    assert "significant" not in sentence
    last = layers_finding(layers_of(half=np.nan, d=((0.5, 0.6), (0.1, 0.2))))
    assert "0 of 1 network," in last


def test_about_probe_rows_distinguishes_shared_samples_from_different_ones():
    titles = {"linear": "Linear", "mlp": "MLP", "knn-5": "k-NN (5)"}
    note = "learned from 60 of 90 samples"
    shared = about_probe_rows({"": ["linear", "mlp", "knn-5"]}, titles)
    limited = about_probe_rows({note: ["linear", "mlp", "knn-5"]}, titles)
    different = about_probe_rows({"": ["linear", "mlp"], note: ["knn-5", "knn-20"]}, titles)
    assert note not in shared
    assert note in limited
    assert ": Linear, MLP." in different
    assert f"{note.capitalize()}: k-NN (5)." in different
    assert different.count(":") == 2  # other kinds are not mentioned


def test_about_selected_settings_distinguishes_mlps_with_fixed_settings():
    linear = {"probe": "linear", "at_edge": False, "converged": True}
    fixed = SimpleNamespace(fits=pd.DataFrame([linear, linear | {"probe": "mlp-0"}]))
    selected = SimpleNamespace(fits=pd.DataFrame([linear, linear | {"probe": "mlp-0", "dropout": 0.2}]))
    assert "no dropout" in about_selected_settings(fixed)
    assert "no dropout" not in about_selected_settings(selected)


@pytest.mark.parametrize(
    ("recalls", "rho", "is_related"),
    [
        ([0.2, 0.1, 0.6, 0.7, 0], "0.80", True),
        ([0.9, 0.6, 0.5, 0.1, 1], "\N{MINUS SIGN}1.00", False),
    ],
)
def test_shift_finding_states_the_rank_correlation_without_clean_images(recalls, rho, is_related):
    rows = pd.DataFrame(
        {"value": [0.1, 0.3, 0.5, 0.9, 0.0], "value_recall": recalls, "group": ["blur"] * 4 + ["identity"]}
    )
    sentence = shift_finding(rows, "m")
    assert ("does not" not in sentence) == is_related
    assert f"{rho} over 4" in sentence
    assert shift_finding(rows.iloc[2:], "m") == ""


def test_training_data_is_stated_for_every_encoder(made_run, tmp_path):
    def about(run: Path, held_out: bool) -> str:
        copy = tmp_path / str(held_out)
        shutil.copytree(run, copy)
        store = RunFiles(copy)
        put(store, {layout.IMAGES: store.read_table(layout.IMAGES).assign(held_out=held_out)})
        return sentences.about_training_data(Run.open(copy))["Zoo encoders"]

    number = Run.open(made_run).images.query("used")["base_id"].nunique()
    assert f"None of the {number} photographs of this run is in the training data" in about(made_run, held_out=True)
    assert "None of the" not in about(made_run, held_out=False), "nobody knows"
