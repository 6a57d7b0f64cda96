from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from probing_core.measures.probabilities import softmax


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_scipys_in_the_precision_of_its_logits_however_large_they_are(dtype):
    logits = (np.random.default_rng(0).normal(size=(4, 6, 5)) * 300).astype(dtype)
    found = softmax(logits)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, special.softmax(logits, axis=-1), rtol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
