"""Claims of a run whose table of claims holds sentences, such as the shipped one."""

from __future__ import annotations

import pandas as pd
import pytest

from probing_core.compute.evaluation.claim_tests import by_contrasts, by_counts
from probing_core.compute.names import NOT_SUPPORTED, UNDECIDED
from probing_core.paths import reference_run
from probing_core.results.claim_sentences import WORDS, claims_by_set, evidence_in_words, result_in_words
from probing_core.results.former_claims import (
    encoders_of_contrasts,
    roles_of_scores,
    with_numbers,
    with_numbers_of_roles,
)
from probing_core.results.run import Run
from probing_core.run import layout


def test_with_numbers_reads_a_table_of_sentences_by_its_contrasts():
    contrasts = pd.DataFrame({"set": "zoo", "claim": 2, "p": [0.001, 0.2], "p_holm": [0.002, 0.4], "effect": [-1, 1]})
    former = pd.DataFrame(
        {
            "claim": ["All of them identify dozens.", "MAE is best."],
            "result": ["cannot be told", "does not hold here"],
            "evidence": ["No number of this sentence, 17, is read.", "0 of 99 contrasts lie above 0 and 77 below."],
            "set": "zoo",
            "missing": ["", "CAN"],
        }
    )
    one, two = with_numbers(former, contrasts).to_dict("records")
    assert (one["claim"], one["result"], evidence_in_words(one)) == (1, UNDECIDED, "")
    expected = {"contrasts": 2, "tested": 2, "above": 0, "below": 1, "result": NOT_SUPPORTED, "missing": "CAN"}
    assert expected.items() <= two.items()
    now = pd.DataFrame([{"set": "zoo", "claim": 1, "missing": "", **by_counts({})}, {"set": "zoo", "claim": 2}])
    now = now.assign(**by_contrasts(contrasts))
    pd.testing.assert_frame_equal(with_numbers(now, contrasts), now)


def test_the_shipped_claims_can_be_read():
    run = Run.open(reference_run())
    contrasts = run.table(layout.CONTRASTS)
    claims = with_numbers(run.table(layout.CLAIMS), contrasts)
    ((_, rows),) = claims_by_set(claims).items()
    assert list(rows["claim"]) == [1, 2, 3, 4, 5]
    assert all(result_in_words(row).startswith(WORDS[row["result"]]) for row in rows.to_dict("records"))
    named = encoders_of_contrasts("zoo", contrasts)
    assert len(named) == 6
    assert named["MAE"] == ["zoo/mae", "zoo/mae@seed=1"]


def test_roles_of_scores_give_the_missing_numbers_of_claims_1_and_5():
    run = Run.open(reference_run())
    contrasts, scores = run.table(layout.CONTRASTS), run.scores
    claims = with_numbers(run.table(layout.CLAIMS), contrasts)
    roles = roles_of_scores(contrasts, scores).set_index("role", drop=False)
    seen = scores[(scores["subset"] == "seen") & (scores["measure"] == "balanced-accuracy")]
    mae = seen[seen["model"].isin(["zoo/mae", "zoo/mae@seed=1"]) & (seen["task"] == "content")]
    assert roles.loc["MAE", "content"] == pytest.approx(mae["value"].mean())
    rows = {row["claim"]: row for row in with_numbers_of_roles(claims, roles).to_dict("records")}
    assert all(evidence_in_words(row) for row in rows.values())
    assert rows[1]["identified"] == roles["identified"].min() <= rows[1]["transformations"]
    assert rows[5]["rho"] == pytest.approx(roles["fine"].corr(roles["content"], method="spearman"))
    assert [row["result"] for row in rows.values()] == list(claims["result"])
