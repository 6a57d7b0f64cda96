"""What goes together over the embeddings of a run: which embeddings count, and that no word claims too much."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from probing_core.results.together import LOOK, MEASURED, embeddings_of, named, pairs_of, together_finding
from probing_core.run import layout

BLOCKED = ("zoo/mae", "zoo/mae@seed=1", "zoo/can")
WHOLE = ("baseline/dhash", "zoo/can@layer=2", "baseline/pixels")


class MadeRun:
    """Tables of three networks with two blocks each, and of three models without."""

    def __init__(self, labels: bool = True) -> None:
        rng = np.random.default_rng(0)
        by = ("photograph", "label") if labels else ("photograph",)
        tasks = ("fine", "content") if labels else ("fine",)
        blocks = [(m, layer, "mean") for m in BLOCKED for layer in (1, 2)]
        near = [(*b, *m) for b in blocks for m in (("original-found", ""), ("shift", ""))]
        near += [(*b, "robustness-index", kind) for b in blocks for kind in by]
        found = [(1, 50, False), (1, 100, False), (1, 1000, True), (10, 100, False)]
        models = (*BLOCKED, *WHOLE)
        scores = [(m, t, s, "balanced-accuracy") for m in models for t, s in (("fine", "all"), ("content", "seen"))]
        tables = {
            "layers": (["model", "layer", "pooling", "task"], [(*b, task) for b in blocks for task in tasks]),
            "neighbors-layers": (["model", "layer", "pooling", "measure", "by"], near),
            "retrieval": (
                ["model", "transform", "k", "gallery", "extrapolated"],
                [(m, t, *f) for m in models for t in ("all", "fog") for f in found],
            ),
            "robustness": (["model", "by"], [*itertools.product(models, by)]),
            "geometry": (
                ["model", "transform", "measure"],
                [
                    (m, t, k)
                    for m in models
                    for t in ("identity", "fog", "rain")
                    for k in ("shift", "equivariance-rank")
                ],
            ),
            "scores": (["model", "task", "subset", "measure"], [s for s in scores if s[1] in tasks]),
        }
        self.tables = {
            layout.table_path(name): pd.DataFrame(rows, columns=columns).assign(value=rng.random(len(rows)))
            for name, (columns, rows) in tables.items()
        }
        self.scores = self.tables.pop(layout.table_path("scores"))

    def table(self, path: str) -> pd.DataFrame:
        return self.tables.get(path, pd.DataFrame())


def test_blocks_and_models_without_blocks_are_embeddings_each():
    run = MadeRun()
    points = embeddings_of(run)
    assert list(points["network"]) == ["zoo/can"] * 2 + ["zoo/mae"] * 4 + ["baseline/dhash", "baseline/pixels"]
    assert "zoo/can@layer=2" not in set(points["model"]), "a block of a network that is there already"
    block = points[(points["model"] == "zoo/mae@seed=1") & (points["layer"] == 2)].iloc[0]
    near = run.table(layout.table_path("neighbors-layers")).query("model == 'zoo/mae@seed=1' and layer == 2")
    near = near.set_index(["measure", "by"])["value"]
    assert block["robustness"] == near["robustness-index", "label"]
    assert (block["recall"], block["shift"]) == (near["original-found", ""], near["shift", ""])
    accuracy = run.table(layout.table_path("layers")).query("model == 'zoo/mae@seed=1' and layer == 2")
    assert block["content"] == accuracy.set_index("task")["value"]["content"]

    hashes = points.set_index("model").loc["baseline/dhash"]
    recall = run.table(layout.table_path("retrieval")).query(
        "model == 'baseline/dhash' and transform == 'all' and k == 1 and gallery == 100"
    )
    assert hashes["recall"] == recall["value"].item()
    moved = run.table(layout.table_path("geometry")).query(
        "model == 'baseline/dhash' and measure == 'shift' and transform != 'identity'"
    )
    assert hashes["shift"] == pytest.approx(moved["value"].mean())


def test_a_run_without_labels_has_no_content_and_robustness_is_by_photograph():
    run = MadeRun(labels=False)
    points = embeddings_of(run)
    assert "content" not in points
    by = run.table(layout.table_path("robustness")).set_index(["model", "by"])["value"]
    assert points.set_index("model").loc["baseline/pixels", "robustness"] == by["baseline/pixels", "photograph"]


def test_a_run_without_studies_has_nothing_to_tell():
    run = MadeRun()
    run.tables = {}
    points = embeddings_of(run)
    assert list(points.columns[-2:]) == ["fine", "content"]
    assert pairs_of(points).empty, "too few networks"
    assert together_finding(pairs_of(points)) == ""


@pytest.fixture
def points() -> pd.DataFrame:
    """Eight networks with three blocks each: recall rises with fine, shift falls, the others are noise."""
    rng = np.random.default_rng(1)
    fine = rng.normal(size=24)
    return pd.DataFrame(
        {
            "network": np.repeat([f"n{i}" for i in range(8)], 3),
            "fine": fine,
            "content": rng.normal(size=24),
            "robustness": rng.normal(size=24),
            "recall": fine + 0.1 * rng.normal(size=24),
            "shift": -fine + 0.1 * rng.normal(size=24),
        }
    )


def test_pairs_are_correlated_as_scipy_does_and_counted_by_network(points):
    pairs = pairs_of(points)
    assert len(pairs) == 10
    for row in pairs.to_dict("records"):
        assert row["value"] == pytest.approx(spearmanr(points[row["first"]], points[row["second"]]).statistic)
        assert row["low"] <= row["value"] <= row["high"]
    assert set(zip(pairs["networks"], pairs["embeddings"], strict=True)) == {(8, 24)}
    assert named(pairs)[0] == "transformation – content"


def test_the_sentence_says_of_no_more_than_the_intervals_allow(points):
    pairs = pairs_of(points)
    words = together_finding(pairs)
    assert words.startswith(
        "Over 24 embeddings of 8 networks, those that know more of what was done find originals more often (rank "
    )
    assert "and move less far under alteration (rank correlation \N{MINUS SIGN}0.9" in words
    undecided = pairs.assign(low=-0.5, high=0.5)
    assert together_finding(undecided) == (
        "Over 24 embeddings of 8 networks it cannot be told whether those that know more of what was done know more of "
        "the content, have neighbors that share more of the content, find originals more often or move farther under "
        "alteration. Of no other pair it can be told whether they go together."
    )
    touching = pairs.assign(low=0.0, high=0.9)
    assert "cannot be told" in together_finding(touching), "an interval that ends at 0 holds it"
    every = together_finding(pairs.assign(low=0.1, high=0.9))
    assert "cannot" not in every
    assert every.count("rise together") == 6


@pytest.mark.parametrize("name", [name for name in MEASURED if name != LOOK])
def test_one_measure_less_leaves_sentences(points, name):
    words = together_finding(pairs_of(points.drop(columns=name)))
    assert words.startswith("Over 24 embeddings of 8 networks")
    assert "  " not in words
    assert words.endswith(".")
