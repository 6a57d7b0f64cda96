from __future__ import annotations

import numpy as np

from probing_core.measures.pair_hits import pair_hits


def test_hits_of_known_scores():
    scores = np.array([[0.9, 0.8, 0.1, 0.0], [0.9, 0.1, 0.8, 0.0], [0.1, 0.2, 0.8, 0.9]])
    found = pair_hits(scores, np.array([0, 0, 0]), np.array([1, 1, 1]))
    assert found.first.tolist() == [True, True, False]
    assert found.last.tolist() == [True, False, False]
    assert found.both.tolist() == [True, False, False]
