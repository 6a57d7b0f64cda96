"""Results of the claims as people read them."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.claims import Identified, by_counts
from probing_core.compute.names import UNDECIDED
from probing_core.results import claims_by_set, result_in_words
from probing_core.results.sentences import evidence_in_words


def test_a_table_of_claims_reads_as_it_was_written():
    table = pd.DataFrame({"claim": ["A claim."], "result": [UNDECIDED], "set": "zoo", "encoders": "", "missing": "CAN"})
    (tested,) = claims_by_set(table)
    pd.testing.assert_frame_equal(tested.claims, table)
    assert result_in_words(tested.claims.iloc[0]) == "Undecided here, tested without CAN."


def test_of_the_first_claim_the_count_that_decides_is_told():
    counts = {"SimCLR": Identified(27, 30, 30, 30), "MAE": Identified(29, 29, 25, 30)}
    words = evidence_in_words(by_counts(counts)[1])
    assert words.startswith("Each kind of encoder recognizes at least 27 of 30 transformations more often than chance")


def test_evidence_has_minus_signs_and_no_single_differences():
    assert evidence_in_words("Over 6 encoders: -0.14 (-1 to 2, one-two). Differences in points: MAE - CAN -3.") == (
        "Over 6 encoders: \u22120.14 (\u22121 to 2, one-two)."
    )
