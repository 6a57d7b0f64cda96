"""One transformation in the tables of a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.results.by_strength import (
    OTHERS,
    accuracy_by_strength,
    median_recall,
    most_sensitive_first,
    predicted_classes,
)


def thresholds(**models: tuple[float, str]) -> pd.DataFrame:
    rows = [(model, "fog", value, censored) for model, (value, censored) in models.items()]
    return pd.DataFrame(rows, columns=["model", "transform", "threshold", "censored"])


@pytest.mark.parametrize("falling", [False, True])
def test_most_sensitive_first_orders_by_sensitivity_and_puts_censored_rows_at_their_end(falling):
    weakest, strongest = (9.0, 1.0) if falling else (1.0, 9.0)
    table = thresholds(
        never=(strongest, "above"), late=((2.0 if falling else 8.0), ""), always=(weakest, "below"), early=(5.0, "")
    )
    found = most_sensitive_first(table, "fog", falling)
    assert list(found["model"]) == ["always", "early", "late", "never"]
    assert most_sensitive_first(table, "rain", falling).empty


def test_most_sensitive_first_leaves_out_additional_seeds():
    table = thresholds(**{"zoo/mae@seed=1": (1.0, ""), "zoo/mae": (2.0, ""), "zoo/mae@layer=2": (3.0, "")})
    assert list(most_sensitive_first(table, "fog", False)["model"]) == ["zoo/mae", "zoo/mae@layer=2"]


def test_accuracy_by_strength_keeps_the_rows_of_the_transformation():
    table = pd.DataFrame({
        "model": ["a", "a", "a@seed=1", "a"], "transform": ["fog", "fog", "fog", "rain"], "strength": [1.0, 2, 1, 1],
        "hit_rate": [0.1, 0.9, 0.5, 0.6], "hit_low": 0.0, "hit_high": 1.0, "images": 150,
    })  # fmt: skip
    found = accuracy_by_strength(table, "fog")
    assert list(found["value"]) == [0.1, 0.9]
    assert list(found["strength"]) == [1, 2]


def test_predicted_classes_count_every_sample_once():
    rng = np.random.default_rng(0)
    names = np.array(["fog", "rain", "snow", "jpeg", "text", "sepia"])
    truth, predicted = rng.choice(names, (2, 400), p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
    found = predicted_classes(pd.DataFrame({"truth": truth, "predicted": predicted}), "fog", max_classes=2)
    counted = {name: sum(p == name for p in predicted[truth == "fog"]) for name in names}
    assert list(found["predicted"][[0, 3]]) == ["fog", OTHERS]
    wrong = sorted((counted[name] for name in names[1:]), reverse=True)
    assert list(found["samples"]) == [counted["fog"], *wrong[:2], sum(wrong[2:])]
    assert found["classes"].iloc[-1] == sum(count > 0 for count in wrong[2:])
    assert found["fraction"].sum() == pytest.approx(1)


def test_predicted_classes_have_a_row_for_a_class_that_is_never_predicted():
    found = predicted_classes(pd.DataFrame({"truth": ["fog"] * 3, "predicted": ["rain"] * 3}), "fog", max_classes=5)
    assert found[["predicted", "samples"]].to_numpy().tolist() == [["fog", 0], ["rain", 3]]


def test_median_recall_counts_each_encoder_once_and_no_baseline():
    models = ["zoo/a", "zoo/b", "zoo/c", "zoo/a@seed=1", "zoo/a@layer=2", "baseline/pixels"]
    scores = pd.DataFrame({
        "model": models, "task": "fine", "measure": "recall", "subset": "transform:fog",
        "value": [0.2, 0.4, 0.9, 1.0, 1.0, 1.0],
    })  # fmt: skip
    assert median_recall(scores).to_dict() == {"fog": pytest.approx(0.4)}
    assert median_recall(scores.iloc[5:]).to_dict() == {"fog": 1.0}
    assert median_recall(pd.DataFrame()).empty
