"""Temperature scaling: how sure a probe should be (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.probabilities import MIN_PROBABILITY, softmax

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Range that `fit_temperature` searches."""


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the temperature that minimizes the mean negative log-likelihood, between 0.05 and 20.

    Logits divided by T and log-probabilities divided by T give the same softmax, so probabilities suffice.

    Args:
        probabilities: (N, K), of samples that the probe did not learn from.
        truth: (N,) positions.

    Raises:
        BadArray: no samples.
    """
    from scipy.optimize import minimize_scalar

    if len(truth) == 0:
        raise BadArray("A temperature is fitted on held-out samples, but there are none; give some.")
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_PROBABILITY))
    right = logs[np.arange(len(truth)), truth]

    def loss(log_t: float) -> float:
        scaled = logs / np.exp(log_t)
        top = scaled.max(1)
        return float((np.log(np.exp(scaled - top[:, None]).sum(1)) + top - right / np.exp(log_t)).mean())

    found = minimize_scalar(
        loss, bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)), method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(found.x))


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return ``probabilities`` (N, K) with their logits divided by ``temperature``."""
    return softmax(np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_PROBABILITY)) / temperature)
