"""Validate the rows of score files, which may be from somebody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from probing_core.measures.statistics import ClusterSums, mean_of_ratios
from probing_core.results.ranking import AccuracySums

MAX_SAMPLES = 1e9
"""Maximum number of samples of a photograph and class."""


def read_row(row: Mapping[str, Any]) -> tuple[tuple[str, str, str], AccuracySums]:
    """Parse the name and the sums of a score.

    For each probe, a row of sums contains the number of hits for each class, followed by the number of samples in each
    class.

    Raises:
        KeyError, OverflowError, TypeError, ValueError: the row is invalid.
    """
    name = as_text(row["task"]), as_text(row["subset"]), as_text(row["measure"])
    score = ", ".join(name)
    bases, classes = [str(base) for base in row["bases"]], row["classes"]
    sums = np.array(row["sums"], np.float64).reshape(len(bases), -1)
    if not all(type(count) is int and count > 0 for count in classes) or sums.shape[1] != 2 * sum(classes):
        raise ValueError(f"the sums of {score} must have two columns per class")
    if bases != sorted(set(bases)) or not bases:
        raise ValueError(f"the sums of {score} must have one row per photograph, sorted by ID")
    parts = np.split(sums, np.cumsum([2 * count for count in classes])[:-1], axis=1)
    for part in parts:
        hits, totals = np.split(part, 2, axis=1)
        is_possible = (hits >= 0) & (hits <= totals) & (totals <= MAX_SAMPLES)  # false for NaN
        if not is_possible.all() or not totals.any():
            raise ValueError(f"the sums of {score} must be the numbers of hits and of samples")
    return name, AccuracySums(np.array(bases, str), tuple(ClusterSums(part, mean_of_ratios) for part in parts))


def as_text(value: Any) -> str:
    """Return a string that can be printed.

    Raises:
        ValueError: ``value`` is not a string, or contains control characters or invalid Unicode.
    """
    if not isinstance(value, str) or re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", value):
        raise ValueError(f"{value!r:.50} is not a name")
    return value
