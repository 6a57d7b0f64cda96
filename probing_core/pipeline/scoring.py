"""Predictions of one probe -> its scores, as sums by base photograph (see docs/run-format.md for the subsets)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from probing_core.measures import MEASURES, Predictions
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.cluster_sums import ClusterSums, difference, mean
from probing_core.runs.tasks import CONTENT, codes
from probing_core.transforms import FAR_CONTROL

Score = tuple[str, str, np.ndarray, ClusterSums, float]
"""Subset, measure, rows that it is of (positions or a mask), their sums, chance."""


def scores_of(task: str, told: pd.DataFrame, classes: tuple[str, ...], far: set[str]) -> Iterator[Score]:
    """Every score of a linear probe.

    Args:
        told: a table of predictions joined with the samples.
        classes: of the task.
        far: transforms of the far-unseen tier.
    """
    table = _Told(told, classes)
    yield from _main_scores(table)
    if task == CONTENT:
        yield from _content(table, far)
        return
    yield table.balanced("visible", table.visible & table.seen)
    for transform, rows in told.groupby("transform", sort=False).indices.items():
        yield table.balanced(f"transform:{transform}", np.asarray(rows), "recall")
    yield from _groups(table, far)
    if task.startswith("group-"):
        yield from _generalization(table, far)
    if told["repetition"].nunique() > 1 and table.seen.all():
        for repetition, rows in told.groupby("repetition").indices.items():
            yield table.balanced(f"repetition:{repetition}", np.asarray(rows))


def fewer_scores(told: pd.DataFrame, classes: tuple[str, ...]) -> Iterator[Score]:
    """The scores of probes that stand beside the linear one; arguments as in `scores_of`."""
    table = _Told(told, classes)
    yield from _main_scores(table)
    yield table.balanced("visible", table.visible)
    yield from _groups(table, set())


def oracle_scores(told: pd.DataFrame, classes: tuple[str, ...]) -> Iterator[Score]:
    """Content told by probes that learned from images transformed alike, one score a transform."""
    table = _Told(told, classes)
    for transform, rows in told.groupby("transform", sort=False).indices.items():
        yield table.balanced(f"oracle:{transform}", np.asarray(rows))


class _Told:
    """Columns of a table of predictions as arrays."""

    def __init__(self, told: pd.DataFrame, classes: tuple[str, ...]) -> None:
        self.table = told
        self.truth, self.predicted = codes(told["truth"], classes), codes(told["predicted"], classes)
        self.clusters = np.unique(told["base_id"].to_numpy(str), return_inverse=True)[1]  # numbers sort faster
        self.right = self.truth == self.predicted
        self.seen = told["seen"].to_numpy()
        # Identity is invisible by nature: left in, or the visible subset would be another problem.
        self.visible = (told["visible"] | (told["transform"] == "identity")).to_numpy()
        self.classes = len(classes)
        self.chance = 1 / len(classes)

    def accuracy(self, rows: np.ndarray) -> ClusterSums:
        return balanced_accuracy(self.truth[rows], self.predicted[rows], self.clusters[rows])

    def predictions(self, rows: np.ndarray) -> Predictions:
        columns = [c for c in ("p_truth", "p_predicted", "p_calibrated") if c in self.table]
        probabilities = {column: self.table[column].to_numpy(np.float64)[rows] for column in columns}
        return Predictions(self.truth[rows], self.predicted[rows], self.clusters[rows], **probabilities)

    def balanced(self, subset: str, rows: np.ndarray, measure: str = "balanced-accuracy") -> Score:
        return subset, measure, rows, self.accuracy(rows), self.chance


def _main_scores(t: _Told) -> Iterator[Score]:
    """Of the transforms that the probe learned: the ranking measure, then every score of the catalog."""
    seen = t.seen
    yield t.balanced("seen", seen)
    if seen.all():
        yield t.balanced("all", seen)
    predictions = t.predictions(seen)
    for measure in MEASURES:
        if measure.score is not None and (sums := measure.score(predictions)) is not None:
            yield "seen", measure.name, seen, sums, measure.chance(t.classes)


def _groups(t: _Told, far: set[str]) -> Iterator[Score]:
    """A group's recall is the mean over its members; the far tier is reported apart."""
    members = codes(t.table["transform"], tuple(t.table["transform"].unique()))
    for group, rows in _indices(t.table, "group", far):
        hits = np.where(t.right[rows], members[rows], -1)
        yield f"group:{group}", "recall", rows, balanced_accuracy(members[rows], hits, t.clusters[rows]), t.chance


def _generalization(t: _Told, far: set[str]) -> Iterator[Score]:
    """How well groups are told by members that training never saw; identity has none and is left out."""
    changed = (t.table["transform"] != "identity").to_numpy()
    is_far = t.table["transform"].isin(far).to_numpy()
    is_control = (t.table["transform"] == FAR_CONTROL).to_numpy()
    unseen = ~t.seen & ~is_far & changed
    for subset, rows in (
        ("seen", t.seen & changed),
        ("unseen", unseen),
        ("far", is_far & ~is_control),
        ("far-control", is_control),
    ):
        if rows.any():
            yield t.balanced(subset, rows, "group-hit-rate")
            untouched = (t.table["predicted"] == "identity").to_numpy()[rows]
            yield subset, "called-identity", rows, mean(untouched, t.clusters[rows]), t.chance
    # Of the groups that have an unseen member: others would make the gap one between groups.
    alike = t.seen & changed & np.isin(t.truth, t.truth[unseen])
    first, second = t.accuracy(alike), t.accuracy(unseen)
    if unseen.any() and len(first.sums) == len(second.sums):
        yield "all", "generalization-gap", alike | unseen, difference(first, second), 0.0


def _content(t: _Told, far: set[str]) -> Iterator[Score]:
    """What is left of the content under each transform, told by the probe of untouched pictures."""
    for column in ("transform", "group"):
        for name, rows in _indices(t.table, column, far if column == "group" else set()):
            if name != "identity":
                yield t.balanced(f"{column}:{name}", rows)


def _indices(table: pd.DataFrame, column: str, without: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Positions of the rows of each value of ``column``, less those of the transforms ``without``."""
    kept = ~table["transform"].isin(without).to_numpy()
    for name, rows in table.groupby(column, sort=False).indices.items():
        mine = np.asarray(rows)[kept[rows]]
        if len(mine):
            yield str(name), mine
