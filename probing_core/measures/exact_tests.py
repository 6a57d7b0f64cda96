"""Fisher's exact test for contingency tables of any size."""

from __future__ import annotations

import numpy as np

RESAMPLES = 9999
"""Number of random tables in a simulated test."""

SAME_PROBABILITY = 1e-7
"""Relative difference between probabilities that are treated as equal, as in `scipy.stats.fisher_exact`."""


def fisher_p(counts: np.ndarray, rng: np.random.Generator) -> float:
    """Compute the p-value of Fisher's exact test of independence.

    For tables with more than two rows or columns, the p-value is estimated from random tables with the same totals,
    whose probabilities are compared with the probability of ``counts`` (Freeman and Halton). It is valid for any number
    of random tables.

    Args:
        counts: (R, C) contingency table.
        rng: random generator for the simulation.

    Returns:
        The p-value, which is 1 if there is only one row or column with observations.
    """
    from scipy.stats import fisher_exact, random_table

    counts = np.asarray(counts, np.int64)
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    if min(counts.shape) < 2:
        return 1.0
    if counts.shape == (2, 2):
        return float(fisher_exact(counts).pvalue)
    tables = random_table(counts.sum(1), counts.sum(0))
    simulated = tables.logpmf(tables.rvs(RESAMPLES, random_state=rng))
    as_extreme = int((simulated <= float(tables.logpmf(counts)) + SAME_PROBABILITY).sum())
    return (as_extreme + 1) / (RESAMPLES + 1)
