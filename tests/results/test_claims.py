"""Results of the claims as people read them."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.names import UNDECIDED
from probing_core.results import claims_by_set, result_in_words


def test_a_table_of_claims_reads_as_it_was_written():
    table = pd.DataFrame({"claim": ["A claim."], "result": [UNDECIDED], "set": "zoo", "encoders": "", "missing": "CAN"})
    (tested,) = claims_by_set(table).values()
    pd.testing.assert_frame_equal(tested, table)
    assert result_in_words(tested.iloc[0]) == "Undecided here, tested without CAN."
