"""Strength at which a probe detects a transformation, by a psychometric fit (Wichmann & Hill 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import Measure
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP

RESAMPLES = 1000
SENSITIVITY = 1.0
"""The d' of the threshold (Green & Swets 1966)."""


@dataclass(frozen=True)
class Threshold:
    """Level at which a probe detects a transformation.

    Attributes:
        value: the level at which d' = 1; the nearest tried one where censored.
        low, high: its 95 % interval, bootstrapped over images; NaN with fewer than 20.
        censored: ``below`` (seen at every level tried), ``above`` (seen at none), or empty.
        false_alarms: share of untouched images that were called transformed.
    """

    value: float
    low: float
    high: float
    censored: str
    false_alarms: float


def detection_threshold(levels: np.ndarray, hits: np.ndarray, alarms: np.ndarray, seed: int = 0) -> Threshold:
    """Return the level at which d' = z(hit rate) - z(false-alarm rate) is 1.

    The hit rate is fitted by F + (1 - F - lapse) Phi((level - a) / b), with F the false-alarm rate, by maximum
    likelihood on a grid: a over the levels and half their range beyond, b from a fiftieth of to twice the range,
    lapse of 0, 0.03 or 0.1. Bootstrap draws take an image's hits and alarms together. The
    intervals are too narrow where so few false alarms occur that single images decide (docs/run-format.md).

    Args:
        levels: (S,) increasing from weak to strong, in one unit (take log or position in the range as is natural).
        hits: (N, S) bool, whether image n was called transformed at level s.
        alarms: (N,) share of the image's untouched versions that were called transformed.

    Raises:
        BadArray: fewer than three levels, levels that do not increase, or images that do not pair up.
    """
    levels, hits = np.asarray(levels, np.float64), np.asarray(hits, np.float64)
    alarms = np.asarray(alarms, np.float64)
    if len(levels) < 3 or hits.shape != (len(alarms), len(levels)) or len(alarms) == 0 or (np.diff(levels) <= 0).any():
        raise BadArray(
            f"A threshold needs at least three increasing levels, hits (images, levels) and alarms (images,), but got "
            f"{len(levels)} levels, hits {hits.shape} and alarms {alarms.shape}."
        )
    n = len(hits)
    value = float(_fit(levels, hits.sum(0, keepdims=True), alarms.sum(keepdims=True), n)[0])
    low = high = float("nan")
    if n >= MIN_CLUSTERS_FOR_BOOTSTRAP:
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
        thresholds = _fit(levels, drawn @ hits, np.round(drawn @ alarms), n)
        low, high = np.quantile(np.clip(thresholds, levels[0], levels[-1]), [0.025, 0.975])
    return Threshold(
        value=float(np.clip(value, levels[0], levels[-1])),
        low=float(low),
        high=float(high),
        censored="below" if value < levels[0] else "above" if value > levels[-1] else "",
        false_alarms=float(alarms.mean()),
    )


def _fit(levels: np.ndarray, hits: np.ndarray, alarms: np.ndarray, images: int) -> np.ndarray:
    """Return the thresholds (B,) of hit counts (B, S) and alarm counts (B,), each of ``images``."""
    from scipy.special import ndtr, ndtri

    span = levels[-1] - levels[0]
    a = np.linspace(levels[0] - span / 2, levels[-1] + span / 2, 121)
    b = span * np.geomspace(0.02, 2, 20)
    a, b, lapse = (g.ravel() for g in np.meshgrid(a, b, [0, 0.03, 0.1], indexing="ij"))
    curve = ndtr((levels[:, None] - a) / b)
    found = np.empty(len(hits))
    for count in np.unique(alarms):
        rows = alarms == count
        # Half a count in either corner keeps z finite (Hautus 1995).
        false = (count + 0.5) / (images + 1)
        room = np.maximum(1 - false - lapse, 1e-3)
        rate = np.clip(false + room * curve, 1e-6, 1 - 1e-6)
        likelihood = hits[rows] @ np.log(rate) + (images - hits[rows]) @ np.log1p(-rate)
        best = likelihood.argmax(1)
        target = ndtr(ndtri(false) + SENSITIVITY)
        share = np.clip((target - false) / room[best], 1e-6, 1 - 1e-6)
        found[rows] = a[best] + b[best] * ndtri(share)
    return found


MEASURES = (
    Measure(
        name="detection-threshold",
        title="detection threshold",
        unit="the transformation's own",
        low=None,
        high=None,
        higher_is_better=None,
        definition="The strength at which a probe separates transformed from untouched images with d' = 1.",
        formula="the strength s at which z(hit rate at s) − z(false-alarm rate) = 1",
        source="Wichmann & Hill 2001; Green & Swets 1966",
    ),
)
