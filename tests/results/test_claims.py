"""Results of the claims as people read them."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.names import UNDECIDED
from probing_core.results import claims_by_set, result_in_words


def test_a_table_of_claims_that_was_made_before_reads_as_one_that_is_made_now():
    """The result was called a verdict."""
    now = pd.DataFrame({"claim": ["A claim."], "result": [UNDECIDED], "set": "zoo", "encoders": "", "missing": "CAN"})
    for table in (now, now.rename(columns={"result": "verdict"})):
        (tested,) = claims_by_set(table)
        pd.testing.assert_frame_equal(tested.claims, now)
        assert result_in_words(tested.claims.iloc[0]) == "Undecided here, tested without CAN."
