"""How many of the pictures that a scan finds are found by chance."""

from __future__ import annotations

import numpy as np

FEWEST_FOR_Q = 500
"""Clean photographs of the user's: with fewer, the smallest p is too large for a folder with few altered pictures."""


def q_values(p: np.ndarray) -> np.ndarray:
    """(n,) the smallest false discovery rate at which each of ``p`` (n,) is found (Benjamini & Hochberg 1995)."""
    order = np.argsort(p, kind="stable")
    n = len(p)
    ratio = p[order] * n / np.arange(1, n + 1)
    smallest = np.minimum.accumulate(ratio[::-1])[::-1]
    q = np.empty(n)
    q[order] = np.minimum(smallest, 1)
    return q
