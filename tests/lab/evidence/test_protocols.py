from __future__ import annotations

import pandas as pd
import pytest

from lab.evidence import protocols


def scores_of(part: str, **values: float) -> pd.DataFrame:
    rows = [(model, value, value - 0.02, value + 0.02, 40, 0.25, part) for model, value in values.items()]
    return pd.DataFrame(rows, columns=["model", "value", "low", "high", "bases", "chance", "part"])


def test_models_are_listed_best_at_jpeg_first_with_intervals_and_chance():
    parts = [scores_of(part, weak=0.3, strong=0.5 if "jpeg" in part else 0.2) for part in protocols.TRACES]
    lines = protocols.table_of_traces(pd.concat(parts)).splitlines()
    assert "jpeg (chance 25%)" in lines[0]
    assert lines[2].startswith("| strong | 50.0% (48.0 to 52.0) | 20.0% (18.0 to 22.0)")
    assert lines[3].startswith("| weak |")


def test_recall_by_severity_is_the_mean_over_operations():
    class Opened:
        def table(self, name: str) -> pd.DataFrame:
            assert name == "tables/strength.parquet"
            rows = [
                ("m", operation, float(s), rate)
                for s in protocols.SEVERITIES
                for operation, rate in (("a", 0.2), ("b", 0.1 * s))
            ]
            return pd.DataFrame(rows, columns=["model", "transform", "strength", "hit_rate"])

    recalls = protocols.by_severity(Opened())
    assert recalls.loc[recalls["severity"] == 4, "recall"].tolist() == pytest.approx([0.3])
    text = protocols.table_of_corruptions(scores_of("imagenet-c", m=0.6), recalls)
    assert text.splitlines()[-1] == "| m | 60.0% (58.0 to 62.0) | 15% | 20% | 25% | 30% | 35% |"


def test_table_of_detected_states_the_rate_of_clean_crops():
    rows = [("identity", 0, 0.06, 0.03, 0.1, 50)]
    rows += [(f"imagenet-c/{name}", s, s / 10, 0.0, 1.0, 50) for name in ("snow", "fog") for s in protocols.SEVERITIES]
    text = protocols.table_of_detected(
        pd.DataFrame(rows, columns=["operation", "severity", "share", "low", "high", "photographs"])
    )
    assert "| snow | 10% | 20% | 30% | 40% | 50% |" in text
    assert "| **mean** | **10%** |" in text
    assert "6.0% (3.0 to 10.0)" in text.splitlines()[-1]
