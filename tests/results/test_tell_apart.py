from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from probing_core.results import tell_apart


def told(skill: float, seed: int, bases: int = 8) -> pd.DataFrame:
    """Six samples of three classes for each photograph, right with the probability ``skill``."""
    rng = np.random.default_rng(seed)
    truth = np.tile(["jpeg", "pixelate", "fog"], 2 * bases)
    wrong = np.array([rng.choice([c for c in ("jpeg", "pixelate", "fog") if c != t]) for t in truth])
    predicted = np.where(rng.random(len(truth)) < skill, truth, wrong)
    base = np.repeat([f"photo{i}" for i in range(bases)], 6)
    return pd.DataFrame({"truth": truth, "predicted": predicted, "base_id": base, "correct": truth == predicted})


def test_models_are_ranked_by_the_mean_of_both_recalls():
    tables = {"weak": told(0.3, 0), "strong": told(0.95, 1), "empty": pd.DataFrame()}
    board = tell_apart(tables, "jpeg", "pixelate")
    assert list(board["model"]) == ["strong", "weak"]
    for row in board.itertuples():
        table = tables[row.model]
        recalls = recall_score(table["truth"], table["predicted"], labels=["jpeg", "pixelate"], average=None)
        assert (row.first, row.second) == pytest.approx(tuple(recalls))
        assert row.value == pytest.approx(recalls.mean())
        assert row.low <= row.value <= row.high
        jpeg = table[table["truth"] == "jpeg"]
        assert row.first_as_second == pytest.approx((jpeg["predicted"] == "pixelate").mean())
        assert row.samples == 32
        assert row.bases == 8
    assert np.isnan(board["p"][0])
    assert board["apart"].tolist() == [False, True]


def test_alike_models_cannot_be_told_apart_and_few_photographs_have_no_interval():
    board = tell_apart({"a": told(0.8, 0), "b": told(0.8, 1)}, "jpeg", "fog")
    assert not board["apart"].any()
    assert tell_apart({"a": told(0.8, 0, bases=4)}, "jpeg", "fog")["low"].isna().all()


def test_classes_without_samples_give_an_empty_table():
    assert tell_apart({"a": told(0.8, 0)}, "snow", "rain").empty
