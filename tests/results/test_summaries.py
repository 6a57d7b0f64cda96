"""Excerpts of scores agree with the tables that they are taken from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from lab.devtools.run_edits import put
from lab.scripts.docs import best_layers
from probing_core.paths import data_dir
from probing_core.results import Run, summaries
from probing_core.results.ranking import of_subset
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from tests.made_studies import add_studies

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(made_run) -> Run:
    return Run.open(made_run)


@pytest.fixture(scope="module")
def trained(trained_run) -> Run:
    return Run.open(trained_run)


def test_each_member_is_unseen_in_one_rotation_of_three(made):
    rows = summaries.members(made, "zoo/mae")
    assert len(rows) == 90
    assert (rows.groupby("transform")["unseen"].sum() == 1).all()
    told = of_subset(made.predictions("zoo/mae", "group-1"), "unseen")
    assert set(rows.query("unseen and rotation == 1")["transform"]) == set(told["transform"])


def test_content_stands_against_style(trained, made):
    points = summaries.substance(trained)
    scores = trained.scores.query("subset == 'seen' and measure == 'balanced-accuracy'").set_index("task")
    assert points["content"].item() == scores.at["content", "value"]
    assert points["style_high"].item() == scores.at["fine", "high"]
    assert summaries.substance(made).empty


def test_classes_that_fall_out_of_the_content_task_are_told(tmp_path):
    shipped = Run.open(data_dir() / "reference")
    told = summaries.content_classes(shipped)
    assert "one of 21 labels that no zoo encoder saw in pretraining." in told

    few = sorted(shipped.images["label"].unique())[:3]
    rows = shipped.images
    rows = rows[~(rows["label"].isin(few) & (rows["split"] == "train"))]
    shutil.copy(shipped.store.path("run.toml"), tmp_path)
    put(RunFiles(tmp_path), {layout.IMAGES: rows})
    told = summaries.content_classes(Run.open(tmp_path))
    assert "one of 18 labels that" in told
    assert "Labels with fewer than 5 training or 2 test photographs are omitted (3)." in told


def test_layers_are_named_by_their_model_and_by_the_pooling_where_there_are_several(made_run, tmp_path):
    store = RunFiles(add_studies(Path(shutil.copytree(made_run, tmp_path / "studied"))))
    made = Run.open(store.root)
    rows = summaries.layers(made)
    assert set(rows["base"]) == set(made.models["name"])
    assert set(rows["task"]) == {"fine", "content"}
    assert rows.groupby(["base", "task"])["chosen"].sum().eq(1).all()
    assert len(best_layers(rows)) == 2 * len(made.models)
    studied = store.read_table("tables/layers.parquet")
    more = studied[studied["model"] == "zoo/mae"].assign(pooling="other")
    put(store, {"tables/layers.parquet": pd.concat([studied, more])})
    bases = set(summaries.layers(Run.open(store.root))["base"]) - set(rows["base"])
    assert bases == {
        f"zoo/mae@pool={pooling}" for pooling in {*rows.loc[rows["model"] == "zoo/mae", "pooling"], "other"}
    }


def test_training_crops_count_each_crop_once():
    shipped = Run.open(data_dir() / "reference")
    crops = summaries.training_crops(shipped)
    series = shipped.table("series/layers.parquet")
    learned = series[series["split"] == "train"]
    assert crops["content"] == learned["image_id"].nunique()
    assert 0 < crops["fine"] <= crops["content"]
    several = learned.groupby("image_id")["transform"].nunique() > 1
    assert crops["fine"] == several.sum()


def test_gaps_are_those_between_seen_and_unseen_and_the_largest_is_first(made):
    points = summaries.members(made, "zoo/mae")
    gaps = summaries.gaps(points).set_index("transform")
    assert (gaps["unseen"] - gaps["seen"]).is_monotonic_increasing
    assert len(gaps) == 30
    for name, rows in points.groupby("transform"):
        assert gaps.at[name, "seen"] == pytest.approx(rows.loc[~rows["unseen"], "value"].mean())
        assert gaps.at[name, "unseen"] == rows.loc[rows["unseen"], "value"].item()
