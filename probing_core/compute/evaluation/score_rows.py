"""Compute scores with confidence intervals and notes from predictions, as one tidy table per model.

Scores are represented by sums for each photograph until their intervals are computed. docs/run-format.md defines the
subsets. A note describes a limitation of a score and is usually empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.sampling.probe_tasks import CONTENT, codes
from probing_core.compute.task_names import DEPLOYMENT, ORACLE, OTHER_PROBES
from probing_core.measures import MEASURES, Predictions, interval
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.notation import GROUP_SUBSET
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_T, ClusterSums, difference, mean, without_interval
from probing_core.transforms import FAR_CONTROL


def joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def measured(measure: str, sums: ClusterSums) -> dict[str, Any]:
    """Compute a score and its interval as table columns. The interval is clipped to the bounds of the measure."""
    bounds = MEASURES.get(measure)
    return interval(sums, low=bounds.low, high=bounds.high).columns


def too_few(bases: int, fewest: int = MIN_CLUSTERS_FOR_T) -> str:
    return f"{bases} photographs are too few for an interval" if bases < fewest else ""


def undefined_shift(shift: float) -> str:
    """Return a note if an embedding shift is undefined (see `probing_core.measures.embedding_space.shift`)."""
    return "shift undefined: all clean embeddings are equal" if np.isnan(shift) else ""


def note_of_fits(fits: Iterable[Any]) -> str:
    """Return a note about fits that did not converge or selected a penalty at the edge of the grid.

    Args:
        fits: `FitFacts`, or rows of the table of fits.
    """
    fits = list(fits)
    unfinished, edge = sum(not fit.converged for fit in fits), sum(bool(fit.at_edge) for fit in fits)
    return joined(
        f"{unfinished} of {len(fits)} probes did not converge" if unfinished else "",
        f"the penalty of {edge} of {len(fits)} probes lies at the edge of its grid" if edge else "",
    )


LINEAR = "linear"

TASK_OF = {ORACLE: CONTENT, OTHER_PROBES: "fine"}
"""Name of a table of predictions -> name of its task, if the names differ."""

WITHOUT_STYLE = "without-style"
"""Subset of the fine task that excludes the style group.

Encoders from style-transfer networks are compared on this subset, because such networks generated the style samples.
The subset is omitted if it would be empty or contain all samples.
"""

UNSCORED_BY_OBJECTIVE = {"style transfer": ("style",)}
"""Objective of a model -> groups of transformations that are not scored because the model was trained on them."""

SCORED_COLUMNS = ("sample", "probe", "truth", "predicted", "p_truth", "p_predicted", "p_calibrated", "seen")
"""Columns of predictions from which scores are computed. Not every table has all of them."""

SCORING_FACTS = ("image_id", "base_id", "transform", "group", "repetition", "visible")
"""Columns of samples that are required for scoring. String columns are categories."""

Score = tuple[str, str, np.ndarray, ClusterSums, float]
"""Subset, measure, rows of the subset (positions or a mask), sums over these rows, and chance level."""


def score_rows(
    model: str,
    name: str,
    predictions: pd.DataFrame,
    fits: pd.DataFrame,
    classes: Mapping[str, tuple[str, ...]],
    far: set[str],
    unscored: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Compute the scores for one table of predictions.

    Args:
        model: name of the model.
        name: name of the table: a task, `ORACLE` or `OTHER_PROBES`.
        predictions: `SCORED_COLUMNS` of the table, joined with the `SCORING_FACTS` of the samples.
        fits: rows of the table of fits for the probes of the table.
        classes: task -> classes of the probe for this task.
        far: names of the unseen styles.
        unscored: groups of transformations that are not scored.

    Returns:
        Rows of ``tables/scores.parquet``.
    """
    task = TASK_OF.get(name, name)
    table: list[dict[str, Any]] = []

    def score(probe: str, rows: pd.DataFrame, its_fits: pd.DataFrame, scores: Iterable[Score]) -> None:
        about = {"model": model, "task": task, "probe": probe}
        table.extend(about | row for row in _rows(rows, its_fits, scores, unscored))

    if name == ORACLE:
        for transform, rows in predictions.groupby("transform", sort=False):
            score(LINEAR, rows, fits[fits["fold"] == f"oracle:{transform}"], oracle_scores(rows, classes[task]))
    elif name == OTHER_PROBES:
        # The rows of the MLP ensemble come first, followed by the rows of its seeds.
        seeds = predictions[predictions["probe"].str.startswith("mlp-")]
        of_probes = [("mlp", seeds)] if len(seeds) else []
        for probe, rows in (*of_probes, *predictions.groupby("probe", sort=False)):
            probe_fits = fits[(fits["probe"] == probe) | fits["probe"].str.startswith(f"{probe}-")]
            score(probe, rows, probe_fits, fewer_scores(rows, classes[task]))
    else:
        probe_fits = fits[~fits["fold"].str.startswith("oracle:") & (fits["fold"] != DEPLOYMENT)]
        score(LINEAR, predictions, probe_fits, scores_of(task, predictions, classes[task], far))
    return table


def _rows(
    predictions: pd.DataFrame, fits: pd.DataFrame, scores: Iterable[Score], unscored: Collection[str]
) -> Iterator[dict[str, Any]]:
    fitted = joined(note_of_fits(fits.itertuples()), *(fits["note"].unique() if "note" in fits else ()))
    images = predictions["image_id"].factorize()[0]
    not_to_score = predictions["group"].isin(unscored).to_numpy()
    for subset, measure, rows, sums, chance in scores:
        if not_to_score[rows].any():
            continue
        about = MEASURES.get(measure)
        estimate = interval(sums, low=about.low, high=about.high) if about.has_interval else without_interval(sums)
        yield {
            "subset": subset,
            "measure": measure,
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "interval": estimate.method,
            "images": len(np.unique(images[rows])),
            "bases": estimate.clusters,
            "chance": chance,
            "note": joined(too_few(estimate.clusters), fitted),
        }


def scores_of(task: str, predictions: pd.DataFrame, classes: tuple[str, ...], far: set[str]) -> Iterator[Score]:
    """Yield all scores of a linear probe (see `score_rows`)."""
    columns = _Columns(predictions, classes)
    yield from _main_scores(columns)
    if task == CONTENT:
        yield from _content(columns, far)
        return
    yield columns.balanced("visible", columns.visible & columns.seen)
    for transform, rows in predictions.groupby("transform", sort=False).indices.items():
        yield columns.balanced(f"transform:{transform}", np.asarray(rows), "recall")
    yield from _groups(columns, far)
    if task.startswith("group-"):
        yield from _generalization(columns, far)
    outside = columns.seen & (predictions["group"] != "style").to_numpy()
    if task == "fine" and 0 < outside.sum() < columns.seen.sum():
        yield columns.balanced(WITHOUT_STYLE, outside)
    if predictions["repetition"].nunique() > 1 and columns.seen.all():
        for repetition, rows in predictions.groupby("repetition").indices.items():
            yield columns.balanced(f"repetition:{repetition}", np.asarray(rows))


def fewer_scores(predictions: pd.DataFrame, classes: tuple[str, ...]) -> Iterator[Score]:
    columns = _Columns(predictions, classes)
    yield from _main_scores(columns)
    yield columns.balanced("visible", columns.visible)
    yield from _groups(columns, set())


def oracle_scores(predictions: pd.DataFrame, classes: tuple[str, ...]) -> Iterator[Score]:
    """Yield the content accuracy of the oracle probes (`ORACLE`) for each transformation."""
    columns = _Columns(predictions, classes)
    for transform, rows in predictions.groupby("transform", sort=False).indices.items():
        yield columns.balanced(f"oracle:{transform}", np.asarray(rows))


class _Columns:
    def __init__(self, table: pd.DataFrame, classes: tuple[str, ...]) -> None:
        self.table = table
        self.truth, self.predicted = codes(table["truth"], classes), codes(table["predicted"], classes)
        self.clusters = pd.factorize(table["base_id"], sort=True)[0]  # integers sort faster
        self.right = self.truth == self.predicted
        self.seen = table["seen"].to_numpy()
        # Identity is never visible, but without it the visible subset would have different classes.
        self.visible = (table["visible"] | (table["transform"] == "identity")).to_numpy()
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


def _main_scores(columns: _Columns) -> Iterator[Score]:
    seen = columns.seen
    yield columns.balanced("seen", seen)
    if seen.all():
        yield columns.balanced("all", seen)
    predictions = columns.predictions(seen)
    for measure in MEASURES:
        if measure.score is not None and (sums := measure.score(predictions)) is not None:
            yield "seen", measure.name, seen, sums, measure.chance(columns.classes)


def _groups(columns: _Columns, far: set[str]) -> Iterator[Score]:
    """Yield the recall for each group, averaged over its transformations. Unseen styles are excluded."""
    members = codes(columns.table["transform"], tuple(columns.table["transform"].unique()))
    for group, rows in _indices(columns.table, "group", far):
        hits = np.where(columns.right[rows], members[rows], -1)
        yield (
            GROUP_SUBSET + group,
            "recall",
            rows,
            balanced_accuracy(members[rows], hits, columns.clusters[rows]),
            columns.chance,
        )


def _generalization(columns: _Columns, far: set[str]) -> Iterator[Score]:
    """Yield the scores of a group task on seen and unseen transformations, excluding identity."""
    changed = (columns.table["transform"] != "identity").to_numpy()
    is_far = columns.table["transform"].isin(far).to_numpy()
    is_control = (columns.table["transform"] == FAR_CONTROL).to_numpy()
    unseen = ~columns.seen & ~is_far & changed
    for subset, rows in (
        ("seen", columns.seen & changed),
        ("unseen", unseen),
        ("far", is_far & ~is_control),
        ("far-control", is_control),
    ):
        if rows.any():
            yield columns.balanced(subset, rows, "group-hit-rate")
            called_identity = (columns.table["predicted"] == "identity").to_numpy()[rows]
            yield subset, "called-identity", rows, mean(called_identity, columns.clusters[rows]), columns.chance
    # Compare only groups with unseen transformations, because groups differ in recall.
    comparable = columns.seen & changed & np.isin(columns.truth, columns.truth[unseen])
    first, second = columns.accuracy(comparable), columns.accuracy(unseen)
    if unseen.any() and len(first.sums) == len(second.sums):
        yield "all", "generalization-gap", comparable | unseen, difference(first, second), 0.0


def _content(columns: _Columns, far: set[str]) -> Iterator[Score]:
    for column in ("transform", "group"):
        for name, rows in _indices(columns.table, column, far if column == "group" else set()):
            if name != "identity":
                yield columns.balanced(f"{column}:{name}", rows)


def _indices(table: pd.DataFrame, column: str, without: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    included = ~table["transform"].isin(without).to_numpy()
    for name, rows in table.groupby(column, sort=False).indices.items():
        positions = np.asarray(rows)[included[rows]]
        if len(positions):
            yield str(name), positions
