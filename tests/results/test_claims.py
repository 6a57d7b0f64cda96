"""Evidence of the claims as people read it."""

from __future__ import annotations

from probing_core.compute.claims import Identified, by_counts
from probing_core.results.sentences import evidence_in_words


def test_of_the_first_claim_the_count_that_decides_is_told():
    counts = {"SimCLR": Identified(27, 30, 30, 30), "MAE": Identified(29, 29, 25, 30)}
    words = evidence_in_words({"evidence": by_counts(counts)[1]})
    assert words.startswith("Each kind of encoder recognizes at least 27 of 30 transformations more often than chance")


def test_evidence_has_minus_signs_and_no_single_differences():
    evidence = "Over 6 encoders: -0.14 (-1 to 2, one-two). Differences in points: MAE - CAN -3."
    assert evidence_in_words({"evidence": evidence}) == "Over 6 encoders: \u22120.14 (\u22121 to 2, one-two)."
