from __future__ import annotations

import numpy as np
import pytest

from probing_core.measures.classification import calibration_error
from probing_core.measures.temperature import at_temperature, fit_temperature


def test_the_temperature_that_made_the_labels_is_found():
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.full(6, 0.7), 20_000)
    truth = (rng.random((len(honest), 1)) > honest.cumsum(1)).sum(1)
    boastful = at_temperature(honest, 1 / 2.5)
    assert fit_temperature(boastful, truth) == pytest.approx(2.5, rel=0.03)
    clusters = np.arange(len(truth))

    def error(p):
        return calibration_error(p.max(1), p.argmax(1) == truth, clusters).value

    assert error(at_temperature(boastful, fit_temperature(boastful, truth))) < 0.02 < error(boastful)
