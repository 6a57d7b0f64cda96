"""Models of a run compared on the same photographs."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

import probing_core
from probing_core.errors import BadRun
from probing_core.measures.statistics import holm
from probing_core.results import Run
from probing_core.results.compare import compare
from probing_core.results.comparison import COMPARED, other_seeds, place_among, recall_beside
from probing_core.results.ranking import RANKING_FACTS, accuracy_of, of_subset, paired_p
from probing_core.run import layout
from tests.conftest import copy_of_made_run

MODEL = "baseline/handcrafted"


def test_every_model_has_a_place_and_its_difference_to_the_one_that_is_asked_for(made_run):
    run = Run.open(made_run)
    board = place_among(run, MODEL).set_index("model")
    assert sorted(board["place"]) == [1, 2, 3, 4]
    assert board["value"].is_monotonic_decreasing
    mine = board.loc[MODEL]
    assert np.isnan(mine["difference"])
    for name, row in board.drop(MODEL).iterrows():
        assert row["difference"] == pytest.approx(mine["value"] - row["value"]), name
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert row["bases"] == run.images["base_id"].nunique()
    tables = {name: of_subset(run.tested(name, "fine", RANKING_FACTS), "all") for name in board.index}
    others = [name for name in board.index if name != MODEL]
    p = holm(paired_p(accuracy_of(tables[MODEL]), [accuracy_of(tables[name]) for name in others]))
    assert board.loc[others, "p"].tolist() == pytest.approx(p.tolist())


def test_other_seeds_have_no_place_but_the_one_that_is_asked_for(made_run, seeds_run):
    run = Run.open(seeds_run)
    board = place_among(run, MODEL).set_index("model")
    further = board[board["seed_of"] == "zoo/mae"]
    assert list(further.index) == ["zoo/mae@seed=1", "zoo/mae@seed=2"]
    assert further[["place", "p"]].isna().all(axis=None)
    assert further["difference_low"].notna().all(), "how far it is apart is told of them, too"
    ranked, without = board.drop(further.index), place_among(Run.open(made_run), MODEL).set_index("model")
    pd.testing.assert_frame_equal(ranked, without)

    of_seed = place_among(run, "zoo/mae@seed=1").set_index("model")
    assert of_seed.loc["zoo/mae@seed=1", ["seed_of", "place"]].tolist() == ["", 1]
    assert of_seed.loc["zoo/mae@seed=2", "seed_of"] == "zoo/mae"
    assert of_seed.loc["zoo/mae", "place"] > 1


def test_how_far_seeds_are_apart_is_what_comparing_the_two_gives(seeds_run):
    run = Run.open(seeds_run)
    for row in other_seeds([run]).to_dict("records"):
        of_two = compare(row["model"], row["seed_of"], run).table.set_index(["task", "subset"]).loc[("fine", "all")]
        same = {"value": "value", "published": "other_value", "difference": "difference", "low": "low", "high": "high"}
        for mine, theirs in same.items():
            assert row[mine] == pytest.approx(of_two[theirs])
        assert row["photographs"] == of_two["photographs"]
    assert list(other_seeds([run])["model"]) == ["zoo/mae@seed=1", "zoo/mae@seed=2"]
    assert other_seeds([run], "content", "seen").empty


def test_the_interval_holds_the_mean_difference_by_photograph(made_run):
    run = Run.open(made_run)
    row = place_among(run, MODEL).set_index("model").loc["baseline/pixels"]
    assert row["difference_low"] > 0, "the invented models are far apart"
    assert row["p"] < 0.05


def test_groups_are_compared_by_their_recall(made_run):
    run = Run.open(made_run)
    table = recall_beside(run, "zoo/mae", "baseline/pixels")
    assert table["difference"].is_monotonic_decreasing
    scores = run.scores
    blur = scores[(scores["task"] == "fine") & (scores["subset"] == "group:blur") & (scores["measure"] == "recall")]
    by_model = blur.set_index("model")["value"]
    mine = table.set_index("group").loc["blur"]
    assert mine["recall"] == by_model["zoo/mae"]
    assert mine["difference"] == pytest.approx(by_model["zoo/mae"] - by_model["baseline/pixels"])


def test_two_models_are_compared_by_the_scores_that_the_run_has_of_them(made_run):
    table = probing_core.compare("zoo/mae", "baseline/pixels", made_run).table
    assert tuple(table.columns) == COMPARED
    scores = Run.open(made_run).scores.set_index(["model", "task", "subset", "measure"])["value"]
    for row in table.to_dict("records"):
        if row["task"] != "group":
            of = row["task"], row["subset"], row["measure"]
            assert row["value"] == pytest.approx(scores["zoo/mae", *of]), of
            assert row["other_value"] == pytest.approx(scores["baseline/pixels", *of]), of
        assert row["difference"] == pytest.approx(row["value"] - row["other_value"])
        assert row["low"] <= row["difference"] <= row["high"]
    (unseen,) = table[table["task"] == "group"].to_dict("records")
    rotations = [scores["zoo/mae", f"group-{r}", "unseen", "group-hit-rate"] for r in range(3)]
    assert unseen["value"] == pytest.approx(np.mean(rotations))
    assert len(table[table["subset"].str.startswith("group:")]) == 11


def test_the_p_values_of_a_comparison_are_corrected_over_its_contrasts(made_run):
    run = Run.open(made_run)
    table = probing_core.compare("zoo/mae", "timm:tf_efficientnet_lite0", run).table
    fine = [accuracy_of(of_subset(run.tested(m, "fine", RANKING_FACTS), "all")) for m in table.iloc[0, :2]]
    alone = float(paired_p(fine[0], fine[1:])[0])
    assert alone <= table["p"][0] <= alone * len(table)
    back = probing_core.compare("timm:tf_efficientnet_lite0", "zoo/mae", run).table
    assert back["difference"].tolist() == pytest.approx((-table["difference"]).tolist())


def test_two_runs_are_compared_model_by_model(made_run, tmp_path):
    same = probing_core.compare(made_run, str(made_run)).table
    assert set(same["model"]) == set(Run.open(made_run).models["name"])
    assert (same["model"] == same["other"]).all()
    assert (same["difference"] == 0).all()
    assert (same["p"] == 1).all()
    other = copy_of_made_run(tmp_path / "other", repetitions=2)
    table = probing_core.compare(Run.open(other), Run.open(made_run)).table
    assert (table.groupby("model")["difference"].max() != 0).all()


def test_runs_of_one_model_each_are_compared_whatever_it_is_called(made_run, tmp_path):
    runs = []
    for name in ("zoo/mae", "baseline/pixels"):
        root = tmp_path / layout.slug(name)
        shutil.copytree(made_run, root)
        store = Run.open(root).store
        store.remove(*(path for path in store.names(layout.MODELS) if f"/{layout.slug(name)}/" not in path))
        store.fold()
        runs.append(root)
    table = probing_core.compare(*runs).table
    assert table[["model", "other"]].drop_duplicates().to_numpy().tolist() == [["zoo/mae", "baseline/pixels"]]
    assert table["difference"][0] == probing_core.compare("zoo/mae", "baseline/pixels", made_run).table["difference"][0]
    rest = shutil.copytree(made_run, tmp_path / "rest")
    store = Run.open(rest).store
    store.remove(*(path for path in store.names(layout.MODELS) if "/zoo-mae/" in path))
    with pytest.raises(BadRun, match="share no model"):
        probing_core.compare(runs[0], rest)
