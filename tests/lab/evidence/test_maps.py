from __future__ import annotations

import re

import numpy as np
import pytest

from lab.devtools.made_run import LIVE
from lab.evidence.maps import NAMES, table_of
from probing_core.measures.notation import in_percent
from probing_core.results import Run


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


def test_the_table_has_the_models_with_embeddings_in_every_reading_and_shares_of_a_loop(run):
    rows = [line.strip("| ").split(" | ") for line in table_of(run, 40).splitlines() if line.startswith("| `")]
    assert [(model, reading) for model, reading, *_ in rows] == [(f"`{LIVE[0]}`", name) for name in NAMES.values()]
    rows_on_map = np.flatnonzero(run.samples["draw"] == 0)
    chosen = np.random.default_rng(0).choice(len(rows_on_map), 40, replace=False)
    X = run.embeddings(LIVE[0])[rows_on_map].astype(np.float64)
    transforms = run.samples["transform"].to_numpy()[rows_on_map]
    X -= X.mean(axis=0)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    placed = run.map(LIVE[0]).sort_values("sample")[["x", "y"]].to_numpy(np.float64)
    shares = []
    for near in (lambda i: -(X @ X[i]), lambda i: np.hypot(*(placed - placed[i]).T)):
        found = [[j for j in np.argsort(near(i), kind="stable") if j != i][:15] for i in chosen]
        shares.append(
            in_percent(np.mean([transforms[row] == transforms[i] for i, row in zip(chosen, found, strict=True)]))
        )
    assert rows[1][2] == f"{shares[0]} ({shares[1]})"


def test_table_of_states_chance(run):
    words = table_of(run, 40).splitlines()[0]
    assert f"40 of the 496 test samples from {run.samples['base_id'].nunique()} photographs" in words
    guessed = float(re.search(r"Chance: ([\d.]+)% transformation", words)[1])
    assert guessed == pytest.approx(100 / 31, abs=3)
