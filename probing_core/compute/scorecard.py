"""Whether a model got worse: the scores of two scorecards, by the same photographs where both have their sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadConfig
from probing_core.measures import interval
from probing_core.measures.cluster_sums import ClusterSums, difference, mean_ratio
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_T, bootstrap

LEVEL = 0.05
"""Probability of any false alarm over all rows of a card."""

NORMAL = 1.959964
"""The 97.5 % quantile of the normal distribution, by which an interval gives a standard error."""


@dataclass(frozen=True, eq=False)
class ScoreRow:
    """One score of a scorecard.

    Attributes:
        task, subset, measure: as in tables of scores.
        value, low, high: fractions, with the 95 % interval.
        photographs: how many it rests on.
        bases: their ids, in order; empty where sums are not kept.
        sums: (C, 2 K) hits of each of K classes by photograph, then samples of each; None where they are not kept.
        parts: number of classes of each probe, where the score is the mean of several; empty of one.
    """

    task: str
    subset: str
    measure: str
    value: float
    low: float
    high: float
    photographs: int
    bases: tuple[str, ...] = ()
    sums: np.ndarray | None = None
    parts: tuple[int, ...] = ()

    @property
    def name(self) -> tuple[str, str, str]:
        """Task, subset and measure, by which a score of another scorecard is the same one."""
        return self.task, self.subset, self.measure


@dataclass(frozen=True)
class Drop:
    """How much lower a score is than that of the baseline.

    Attributes:
        task, subset, measure: of the score.
        before, now: its value in the baseline, and now.
        drop: the first less the second.
        low, high: its interval, at the level that Holm's correction gives the row.
        p: two-sided, of a drop of no more than what is allowed; corrected by Holm.
        photographs: how many the drop rests on.
        paired: whether it is over the same photographs.
        worse: whether the whole interval lies beyond what is allowed.
    """

    task: str
    subset: str
    measure: str
    before: float
    now: float
    drop: float
    low: float
    high: float
    p: float
    photographs: int
    paired: bool
    worse: bool


def score_row(name: tuple[str, str, str], bases: Sequence[str], probes: Sequence[ClusterSums]) -> ScoreRow:
    """Return the row of a score that is the mean over ``probes``.

    Args:
        name: task, subset and measure.
        bases: (C,) photographs.
        probes: sums over these of hits, then samples, by class, as of a balanced accuracy or a recall.
    """
    halves = [np.hsplit(probe.sums, 2) for probe in probes]
    sums = np.hstack([hits for hits, _ in halves] + [samples for _, samples in halves])
    parts = tuple(hits.shape[1] for hits, _ in halves) if len(probes) > 1 else ()
    found = interval(_cluster_sums(sums, parts), low=0, high=1)
    return ScoreRow(*name, found.value, found.low, found.high, found.clusters, tuple(bases), sums, parts)


def drops(before: Sequence[ScoreRow], now: Sequence[ScoreRow], allowed: float = 0.0) -> list[Drop]:
    """Return the drop of every score of the baseline ``before``.

    Intervals are Student's t with the bootstrap's standard error over photographs, each at the level that Holm's
    step-down procedure gives its row (Holm 1979): with all of them, the probability of any false alarm is 5 %.

    Args:
        allowed: a drop of no more than this, a fraction, is no failure.

    Raises:
        BadConfig: a score is missing now, or rests on too few photographs for an interval.
    """
    from scipy.special import stdtrit

    if not 0 <= allowed <= 1:
        raise BadConfig(f"The largest drop that is allowed is a fraction from 0 to 1; got {allowed}.")
    by_name = {row.name: row for row in now}
    if missing := [row.name for row in before if row.name not in by_name]:
        raise BadConfig(f"The baseline has the score {', '.join(missing[0])}, which this model now lacks.")
    gaps = [_gap(row, by_name[row.name]) for row in before]
    p = np.array([_p_value(gap, allowed) for gap in gaps])
    found: dict[int, Drop] = {}
    holds, corrected = True, 0.0
    for step, place in enumerate(np.argsort(p, kind="stable").tolist()):
        gap, left = gaps[place], len(gaps) - step
        level = LEVEL / left
        holds = holds and bool(p[place] <= level)
        corrected = max(corrected, min(1.0, p[place] * left))
        half = float(stdtrit(gap.freedom, 1 - level / 2)) * gap.error
        row = before[place]
        drop = gap.before - gap.now
        found[place] = Drop(
            task=row.task,
            subset=row.subset,
            measure=row.measure,
            before=gap.before,
            now=gap.now,
            drop=drop,
            low=drop - half,
            high=drop + half,
            p=corrected,
            photographs=gap.photographs,
            paired=gap.paired,
            worse=holds,
        )
    return [found[place] for place in range(len(gaps))]


@dataclass(frozen=True)
class _Gap:
    before: float
    now: float
    error: float
    photographs: int
    paired: bool

    @property
    def freedom(self) -> int:
        return self.photographs - 1


def _gap(before: ScoreRow, now: ScoreRow) -> _Gap:
    from scipy.special import stdtrit

    bases = np.intersect1d(before.bases, now.bases) if before.sums is not None else np.empty(0)
    photographs = len(bases) if len(bases) else min(before.photographs, now.photographs)
    if photographs < MIN_CLUSTERS_FOR_T:
        raise BadConfig(
            f"The score {', '.join(before.name)} rests on {photographs} photographs of the split val, and an interval "
            f"needs {MIN_CLUSTERS_FOR_T}; take a corpus with more."
        )
    if not len(bases):
        errors = [(row.high - row.low) / (2 * NORMAL) for row in (before, now)]
        return _Gap(before.value, now.value, math.hypot(*errors), photographs, False)
    first, second = (_sums(row, bases) for row in (before, now))
    error = float(bootstrap(difference(first, second)).std())
    # Few photographs that all agree show no spread: no test is more certain than all flips of their signs.
    most = float(stdtrit(photographs - 1, 1 - 2.0**-photographs))
    return _Gap(first.value, second.value, max(error, abs(first.value - second.value) / most), photographs, True)


def _sums(row: ScoreRow, bases: np.ndarray) -> ClusterSums:
    assert row.sums is not None  # rows of a model that was just measured have them
    of = {base: place for place, base in enumerate(row.bases)}
    return _cluster_sums(row.sums[[of[base] for base in bases.tolist()]], row.parts)


def _cluster_sums(sums: np.ndarray, parts: tuple[int, ...]) -> ClusterSums:
    classes = sums.shape[1] // 2
    ends = np.cumsum(parts or (classes,))
    spans = [slice(end - size, end) for end, size in zip(ends.tolist(), parts or (classes,), strict=True)]

    def score(totals: np.ndarray) -> np.ndarray:
        hits, samples = totals[..., :classes], totals[..., classes:]
        return np.mean([mean_ratio(hits[..., span], samples[..., span]) for span in spans], axis=0)

    return ClusterSums(sums, score)


def _p_value(gap: _Gap, allowed: float) -> float:
    from scipy.special import stdtr

    beyond = gap.before - gap.now - allowed
    if gap.error == 0:  # nothing changed, or a thousand photographs agree
        return float(beyond <= 0)
    return float(min(1.0, 2 * stdtr(gap.freedom, -beyond / gap.error)))
