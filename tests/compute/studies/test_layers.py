from __future__ import annotations

import numpy as np

from probing_core.compute.names import VARIANCE
from probing_core.compute.studies.layers import layers_table
from tests.compute.studies.made import series_of


def test_where_the_look_is_known_and_where_the_content(studied, data):
    table = studied.read_table("tables/layers.parquet")
    mine = table[(table["model"] == data.model) & table["task"].isin(["fine", "content"])]
    assert mine["layer"].tolist() == [1] * 4 + [2] * 4 + [10] * 4  # by number, and not by name
    value = mine.set_index(["layer", "pooling", "task"])["value"]
    assert value[1, "mean", "fine"] > 0.8
    assert value[1, "mean", "content"] < 0.6  # a guess of three, over 25 images
    assert value[2, "mean", "fine"] > 0.8
    assert value[2, "mean", "content"] > 0.9
    assert value[10, "mean", "content"] > 0.9
    assert value[10, "mean", "fine"] < 0.4
    assert value[2, "cls", "fine"] < 0.4
    assert mine.groupby("task")["chance"].first().round(4).to_dict() == {"content": 0.3333, "fine": 0.1667}


def test_the_layer_is_chosen_by_its_validation_loss(studied):
    table = studied.read_table("tables/layers.parquet")
    for _, rows in table[~table["task"].str.startswith(VARIANCE)].groupby(["model", "task"]):
        assert rows.loc[rows["chosen"], "validation_loss"].tolist() == [rows["validation_loss"].min()]


def test_images_that_are_there_for_their_content_are_no_samples_of_the_fine_task(studied):
    table = studied.read_table("tables/layers.parquet")
    table = table[~table["task"].str.startswith(VARIANCE)]
    assert table.groupby("task")["images"].unique().map(list).to_dict() == {"content": [25], "fine": [20]}
    fine, content = (table[table["task"] == task]["note"].iloc[0] for task in ("fine", "content"))
    assert fine.startswith("learned from 40 images")
    assert content.startswith("learned from 60 images")


def test_without_labels_there_is_no_content(studied, monkeypatch):
    monkeypatch.setattr("probing_core.compute.studies.layers.content_labels", lambda images: ())
    table = layers_table(series_of(studied, "layers"))
    assert {task for task in table["task"] if not task.startswith(VARIANCE)} == {"fine"}
    assert np.isfinite(table["value"]).all()


def test_blocks_that_know_the_look_alone_have_no_variance_of_content(studied, data):
    table = studied.read_table("tables/layers.parquet")
    mine = table[(table["model"] == data.model) & (table["pooling"] == "mean") & table["task"].str.startswith(VARIANCE)]
    parts = mine.pivot(index="layer", columns="task", values="value")
    assert parts.loc[1, f"{VARIANCE}look"] > 0.3
    assert parts.loc[1, f"{VARIANCE}content"] < 0.05
    assert parts.loc[10, f"{VARIANCE}content"] > 0.2
    assert parts.loc[10, f"{VARIANCE}look"] < 0.05
    assert not mine["chosen"].any()
