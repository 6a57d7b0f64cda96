from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import BadArray
from probing_core.measures.embedding_space import shift


def test_shift_is_zero_at_home_and_one_at_another_image():
    z = np.random.default_rng(0).normal(size=(2000, 30)) + 1
    assert shift(z, z) == pytest.approx(0, abs=1e-9)
    assert shift(z, 3 * z) == pytest.approx(0, abs=1e-9)
    assert shift(z, np.roll(z, 1, axis=0)).mean() == pytest.approx(1, abs=0.02)


def test_unpaired_embeddings_are_refused():
    z = np.ones((5, 3))
    with pytest.raises(BadArray):
        shift(z, z[:4])
