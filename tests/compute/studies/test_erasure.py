from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.studies import erasure
from probing_core.compute.studies.erasure import SEEDS

pytestmark = pytest.mark.slow


def test_the_transformation_goes_and_the_content_stays(studied):
    table = studied.read_table("tables/erasure.parquet")
    for _, part in table.groupby("model"):
        value = part.set_index(["task", "probe", "erased"])["value"]
        assert value["fine", "linear", "nothing"] > 0.8
        assert value["fine", "linear", "transformation"] < 1 / 6 + 0.1
        assert value["fine", "linear", "random"] > value["fine", "linear", "transformation"] + 0.2
        assert value["content", "linear", "nothing"] > 0.9
        assert value["content", "linear", "transformation"] > 0.9


def test_chance_is_of_the_task(studied):
    chance = studied.read_table("tables/erasure.parquet").groupby("task")["chance"].unique()
    assert chance["fine"].tolist() == pytest.approx([1 / 6])
    assert chance["content"].tolist() == pytest.approx([1 / 3])


def test_what_random_directions_lose_is_the_mean_of_several(studied):
    table = studied.read_table("tables/erasure.parquet")
    several = table["note"].str.contains(f"mean of {len(SEEDS)} random subspaces")
    assert (several == (table["erased"] == "random")).all()


def test_the_random_subspaces_differ(data, monkeypatch):
    def accuracy(seeds) -> float:
        monkeypatch.setattr(erasure, "SEEDS", seeds)
        table = erasure.erasure_table(data)
        return table.set_index(["task", "probe", "erased"])["value"]["fine", "linear", "random"]

    each = [accuracy((seed,)) for seed in SEEDS]
    assert len(set(each)) > 1
    assert accuracy(SEEDS) == pytest.approx(np.mean(each))
