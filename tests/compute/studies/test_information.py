"""The table of selectivity."""

from __future__ import annotations

import numpy as np

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
