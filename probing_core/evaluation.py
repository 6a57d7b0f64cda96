"""Predictions -> scores with intervals: one tidy table a run (see docs/run-format.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from probing_core.config import Recipe
from probing_core.embedding import model_entries
from probing_core.measures import MEASURES, interval
from probing_core.measures import statistics as st
from probing_core.measures.intervals import FEWEST_FOR_T
from probing_core.measures.statistics import ClusterSums
from probing_core.progress import Progress
from probing_core.samples import load_transforms
from probing_core.store import Store, digest
from probing_core.tasks import make_task, task_names
from probing_core.training import fits_path, predictions_path

SCORES, FITS = "tables/scores.parquet", "tables/fits.parquet"
TINY = 1e-12


def evaluate(store: Store, recipe: Recipe, progress: Progress) -> None:
    """Makes ``tables/scores.parquet`` and ``tables/fits.parquet`` from every model's predictions."""
    transforms = load_transforms(recipe)
    samples = store.read_table("samples.parquet")
    work = [(e, t) for e in model_entries(store) for t in task_names(transforms)]
    work = [(e, t) for e, t in work if store.has(predictions_path(e["name"], t))]
    key = digest(
        [[e["name"], t, store.checksum(predictions_path(e["name"], t)), store.checksum(fits_path(e["name"], t))]
         for e, t in work]
    )  # fmt: skip
    if store.has(SCORES, key) and store.has(FITS, key):
        return
    far = {t.name for t in transforms if t.far}
    rows: list[dict[str, Any]] = []
    fits = []
    for done, (entry, name) in enumerate(work):
        progress.update("evaluate", done, len(work), f"Scoring {entry['name']}")
        facts = store.read_table(fits_path(entry["name"], name))
        fits.append(facts)
        predictions = store.read_table(predictions_path(entry["name"], name))
        table = predictions.merge(samples, on="sample", validate="one_to_one")
        classes = make_task(name, samples, transforms).classes
        note = _note(facts, table)
        for subset, measure, sums, chance in _scores(name, table, classes, far):
            bounds = MEASURES.get(measure)
            found = interval(sums, low=bounds.low, high=bounds.high)
            rows.append(
                {
                    "model": entry["name"],
                    "task": name,
                    "subset": subset,
                    "measure": measure,
                    "value": found.value,
                    "low": found.low,
                    "high": found.high,
                    "interval": found.method,
                    "images": table["image_id"].nunique(),
                    "bases": found.clusters,
                    "chance": chance,
                    "note": note,
                }
            )
    progress.update("evaluate", len(work), len(work), "Scoring")
    store.write_table(FITS, pd.concat(fits, ignore_index=True), key)
    store.write_table(SCORES, pd.DataFrame(rows), key)


def _scores(
    task: str, table: pd.DataFrame, classes: tuple[str, ...], far: set[str]
) -> Iterator[tuple[str, str, ClusterSums, float]]:
    """(subset, measure, sums, chance) of every score of one model at one task."""
    truth, predicted = _codes(table["truth"], classes), _codes(table["predicted"], classes)
    clusters = table["base_id"].to_numpy()
    chance = 1 / len(classes)

    def accuracy(rows: np.ndarray) -> ClusterSums:
        return st.balanced_accuracy(truth[rows], predicted[rows], clusters[rows])

    # Identity is invisible by nature: left in, or the visible subset would be another problem.
    visible = (table["visible"] | (table["transform"] == "identity")).to_numpy()
    seen = table["seen"].to_numpy()
    yield "seen", "balanced-accuracy", accuracy(seen), chance
    if seen.all():
        yield "all", "balanced-accuracy", accuracy(seen), chance
    yield "visible", "balanced-accuracy", accuracy(visible & seen), chance
    yield "seen", "macro-f1", st.macro_f1(truth[seen], predicted[seen], clusters[seen]), chance
    surprise = -np.log(np.maximum(table["p_truth"].to_numpy(np.float64), TINY))
    yield "seen", "nll", st.mean(surprise[seen], clusters[seen]), float(np.log(len(classes)))
    right = truth == predicted
    sure = table["p_predicted"].to_numpy(np.float64)
    yield "seen", "calibration-error", st.calibration_error(sure[seen], right[seen], clusters[seen]), np.nan
    for transform, rows in table.groupby("transform", sort=False).indices.items():
        yield f"transform:{transform}", "recall", accuracy(np.asarray(rows)), chance
    members = _codes(table["transform"], tuple(table["transform"].unique()))
    for group, rows in table.groupby("group", sort=False).indices.items():
        yield f"group:{group}", "recall", st.balanced_accuracy(
            members[rows], np.where(right[rows], members[rows], -1), clusters[rows]
        ), chance  # fmt: skip
    if task.startswith("group-"):
        yield from _generalization(table, truth, predicted, clusters, chance, far)


def _generalization(
    table: pd.DataFrame, truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray, chance: float, far: set[str]
) -> Iterator[tuple[str, str, ClusterSums, float]]:
    """How well groups are told by members that training never saw; identity has none and is left out."""
    changed = (table["transform"] != "identity").to_numpy()
    is_far = table["transform"].isin(far).to_numpy()
    seen = table["seen"].to_numpy()
    parts = {}
    for subset, rows in (
        ("seen", seen & changed),
        ("unseen", ~seen & ~is_far & changed),
        ("far", is_far),
    ):
        if rows.any():
            parts[subset] = st.balanced_accuracy(truth[rows], predicted[rows], clusters[rows])
            yield subset, "group-hit-rate", parts[subset], chance
            untouched = (table["predicted"] == "identity").to_numpy()[rows]
            yield subset, "called-identity", st.mean(untouched, clusters[rows]), chance
    if "unseen" in parts and len(parts["seen"].sums) == len(parts["unseen"].sums):
        yield "all", "generalization-gap", st.difference(parts["seen"], parts["unseen"]), 0.0


def _codes(values: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    position = {name: i for i, name in enumerate(classes)}
    return values.map(lambda name: position.get(name, -1)).to_numpy(np.int64)


def _note(facts: pd.DataFrame, table: pd.DataFrame) -> str:
    """What a reader must know about the probes and the number of photographs, or an empty string."""
    notes = []
    bases = table["base_id"].nunique()
    if bases < FEWEST_FOR_T:
        notes.append(f"{bases} photographs are too few for an interval")
    unfinished = int((~facts["converged"]).sum())
    if unfinished:
        notes.append(f"{unfinished} of {len(facts)} probes did not converge")
    edge = int(facts["at_edge"].sum())
    if edge:
        notes.append(f"the penalty of {edge} of {len(facts)} probes lies at the edge of its grid")
    return "; ".join(notes)
