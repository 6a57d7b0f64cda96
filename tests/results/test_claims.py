"""Claims in words."""

from __future__ import annotations

import pandas as pd
import pytest

from probing_core.compute.evaluation.claim_tests import DOZENS
from probing_core.results.claim_sentences import differences, encoders_by_role, evidence_in_words


@pytest.mark.parametrize(
    ("numbers", "stated"),
    [
        ({"transformations": 30, "identified": 27}, ("27", "30")),
        ({"transformations": DOZENS - 1, "identified": 4}, (str(DOZENS - 1),)),
        ({"contrasts": 8, "tested": 6, "above": 5, "below": 1}, ("5", "6", "one", "2")),
        ({"contrasts": 8, "tested": 8, "above": 0, "below": 0}, ("8",)),
        ({"contrasts": 5, "tested": 0, "above": 0, "below": 0}, ("5",)),
        ({"roles": 6, "rho": -0.14, "p": 0.4}, ("\u22120.14", "6", "0.40")),
        ({"roles": 3}, ("3",)),
    ],
)
def test_evidence_in_words_states_the_numbers_of_its_row(numbers, stated):
    row = pd.DataFrame([{"transformations": 1, "tested": 1, "roles": 1}, numbers]).iloc[1]  # others are missing
    words = evidence_in_words(row)
    assert all(number in words for number in stated), words
    assert "nan" not in words


def test_evidence_in_words_is_empty_where_the_table_has_no_number():
    assert evidence_in_words({"claim": 1, "result": "supported", "missing": ""}) == ""


def test_encoders_by_role_reads_the_table_of_roles():
    roles = pd.DataFrame({"role": ["MAE", "CAN"], "encoders": ["zoo/mae, zoo/mae@seed=1", "zoo/can"]})
    assert encoders_by_role(roles) == {"MAE": ["zoo/mae", "zoo/mae@seed=1"], "CAN": ["zoo/can"]}


@pytest.mark.parametrize(
    ("second", "over"), [("zoo/clip, zoo/clip@seed=1", "2 seeds"), ("zoo/clip, zoo/clip@seed=1, x", "2 to 3 seeds")]
)
def test_differences_say_how_many_seeds_their_intervals_are_over(second, over):
    row = {"first_role": "MAE", "second_role": "CLIP", "first": "zoo/mae, zoo/mae@seed=1", "second": second}
    row |= {"score": "fine", "effect": 0.02, "low": 0.01, "high": 0.03, "p_holm": 0.5}
    contrasts = pd.DataFrame([row | {"seeds_low": -0.01, "seeds_high": 0.05}])
    rows, words = differences(contrasts)
    assert words.startswith(over)
    assert rows[["value", "low", "high"]].iloc[0].tolist() == pytest.approx([2, -1, 5])
    rows, words = differences(contrasts.assign(seeds_low=float("nan")))
    assert words == "photographs"
    assert rows[["value", "low", "high"]].iloc[0].tolist() == pytest.approx([2, 1, 3])
