"""Fisher's exact test for contingency tables of any size."""

from __future__ import annotations

import numpy as np

RESAMPLES, MIN_RESAMPLES = 9999, 999
"""Numbers of random tables in a simulated test, for small tables and for those with more than `MAX_CELLS` cells."""

MAX_CELLS = 1024
"""Maximum number of cells of a contingency table for `RESAMPLES` random tables."""

CELLS_AT_ONCE = 2**22
"""Maximum number of cells of random tables in memory."""

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
    limit = float(tables.logpmf(counts)) + SAME_PROBABILITY
    total, chunk = RESAMPLES if counts.size <= MAX_CELLS else MIN_RESAMPLES, max(1, CELLS_AT_ONCE // counts.size)
    as_extreme = sum(
        int((tables.logpmf(tables.rvs(min(chunk, total - start), random_state=rng)) <= limit).sum())
        for start in range(0, total, chunk)
    )
    return (as_extreme + 1) / (total + 1)
