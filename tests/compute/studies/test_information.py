"""The tables of selectivity and codelength."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from probing_core.compute.studies.codelength import codelength_table
from probing_core.compute.studies.model_data import EmbeddedRows, ModelData
from probing_core.compute.studies.selectivity import clusters


def test_selectivity_is_the_gap_between_task_and_control(studied):
    table = studied.read_table("tables/selectivity.parquet")
    np.testing.assert_allclose(table["value"], table["accuracy"] - table["control"])
    assert (table["accuracy"] > 0.8).all()
    assert (table["types"] >= 6).all()


def test_clusters_recur_in_every_part():
    rng = np.random.default_rng(0)
    centers = 10 * rng.normal(size=(5, 4))
    which = [rng.permutation(np.repeat(np.arange(5), 20)) for _ in range(2)]
    found = clusters([centers[w] + rng.normal(0, 0.1, (100, 4)) for w in which], 5, 0)
    names = {(t, f) for w, part in zip(which, found, strict=True) for t, f in zip(w, part, strict=True)}
    assert len(names) == len({f for _, f in names})  # a cluster is of one center, in both parts


class Shuffled(ModelData):
    """A model whose training labels are random."""

    @property
    def learned(self) -> EmbeddedRows:
        part = super().learned
        return replace(part, y=np.random.default_rng(0).permutation(part.y))


def test_random_labels_cost_what_guessing_costs_and_true_ones_less(data):
    known = codelength_table(data).iloc[0]
    shuffled = Shuffled(**{field.name: getattr(data, field.name) for field in fields(data)})
    random = codelength_table(shuffled).iloc[0]
    assert known["value"] == pytest.approx(known["guessing_bits"] / known["bits"])
    assert known["guessing_bits"] == pytest.approx(360 * np.log2(6))
    assert known["value"] > 2
    assert random["value"] < 1.1
    assert known["low"] > random["high"]
