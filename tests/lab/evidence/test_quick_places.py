"""Places by the quick protocol against full places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.evidence.quick_places import agreement, leave_one_out, summary

RATES = {"zoo/a": 0.9, "zoo/b": 0.6, "zoo/b@seed=1": 0.6, "zoo/c": 0.59, "baseline/d": 0.2}


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    rng, rows = np.random.default_rng(0), []
    for model, rate in RATES.items():
        for photograph in range(60):
            for transform in ("identity", "blur"):
                rows.append((model, f"p{photograph:02}", transform, rng.binomial(4, rate), 4))
    quick = pd.DataFrame(rows, columns=["model", "base_id", "transform", "correct", "samples"])
    board = pd.DataFrame({"model": list(RATES), "value": list(RATES.values()), "seed_of": ["", "", "zoo/b", "", ""]})
    return leave_one_out(board, quick, {"identity": "identity", "blur": "blur"}).set_index("model")


def test_leave_one_out_places_each_model_but_repeated_trainings(found):
    assert list(found.index) == ["zoo/a", "zoo/b", "zoo/c", "baseline/d"]
    assert found.loc["zoo/a", ["place", "first", "last"]].tolist() == [1, 1, 1]
    assert found.loc["zoo/b", ["first", "last"]].tolist() == [2, 3]
    assert found.loc["baseline/d", ["place", "first", "last"]].tolist() == [4, 4, 4]
    assert found["contains"].all()
    assert (found["half_width"] > 0).all()


def test_summary_counts_places_and_agreement(found):
    rows = found.reset_index()
    assert agreement(rows.assign(quick_value=rows["value"])) == pytest.approx(1)
    assert agreement(rows.assign(quick_value=-rows["value"])) == pytest.approx(-1)
    assert "3 of 4" in summary(rows.assign(contains=[True, True, False, True]))
