"""Predictions -> scores with intervals: one tidy table a run (see docs/run-format.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from probing_core.errors import BadRun
from probing_core.measures import MEASURES, interval
from probing_core.measures.intervals import without_interval
from probing_core.pipeline.caveats import joined, note_of_fit_columns, too_few
from probing_core.pipeline.scoring import Score, fewer_scores, oracle_scores, scores_of
from probing_core.runs import layout, revisions
from probing_core.runs.layout import DEPLOYMENT, ORACLE, OTHER_PROBES, fits_path, predictions_path, probe_path
from probing_core.runs.model_samples import read_probe
from probing_core.runs.models import model_entries
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import load_transforms
from probing_core.runs.store import Store, digest
from probing_core.runs.tasks import CONTENT, make_task, task_names

LINEAR = "linear"


@dataclass(frozen=True)
class _Part:
    """Scores of one probe: which, on what, and what a reader must know of its fit."""

    task: str
    probe: str
    told: pd.DataFrame
    fits: pd.DataFrame
    scores: Iterable[Score]


def evaluate(store: Store, recipe: Recipe, progress: Progress) -> None:
    """Makes ``tables/scores.parquet`` and ``tables/fits.parquet`` from every model's predictions."""
    transforms = load_transforms(recipe)
    samples, images = store.read_table(layout.SAMPLES), store.read_table(layout.IMAGES)
    names = (*task_names(transforms, images), ORACLE, OTHER_PROBES)
    entries = model_entries(store)
    files = [p(e["name"], n) for e in entries for n in names for p in (predictions_path, fits_path)]
    if not any(store.has(file) for file in files):
        raise BadRun(
            f"The run '{store.root}' has no predictions to score yet; `probing train --run {store.root}` makes them."
        )
    read = [layout.SAMPLES, layout.IMAGES, *files]
    further = [m.name for m in MEASURES if m.score is not None and m.name not in revisions.SCORED]
    key = digest([revisions.SCORING, [[f, store.checksum(f)] for f in read if store.has(f)], *further])
    if store.has(layout.SCORES, key) and store.has(layout.FITS, key):
        return
    rows: list[dict[str, Any]] = []
    for done, entry in enumerate(entries):
        progress.update("evaluate", done, len(entries), f"Scoring {entry['name']}")
        for part in _parts(store, recipe, entry["name"], names, samples, images):
            rows += _rows(entry["name"], part)
    progress.update("evaluate", len(entries), len(entries), "Scoring")
    fits = [store.read_table(f) for f in (fits_path(e["name"], n) for e in entries for n in names) if store.has(f)]
    store.write_table(layout.FITS, pd.concat(fits, ignore_index=True), key)
    store.write_table(layout.SCORES, pd.DataFrame(rows), key)


def _parts(
    store: Store,
    recipe: Recipe,
    model: str,
    names: Iterable[str],
    samples: pd.DataFrame,
    images: pd.DataFrame,
) -> Iterator[_Part]:
    transforms = load_transforms(recipe)
    far = {t.name for t in transforms if t.far}
    for name in names:
        if not store.has(predictions_path(model, name)):
            continue
        told = store.read_table(predictions_path(model, name)).merge(samples, on="sample", validate="many_to_one")
        task = {ORACLE: CONTENT, OTHER_PROBES: "fine"}.get(name, name)
        # A probe that was taken over chooses among all that it learned, even if this run has fewer.
        if recipe.probes_from and store.has(probe_path(model, task)):
            classes = read_probe(store, model, task).classes
        else:
            classes = make_task(task, samples, transforms, images).classes
        fits = store.read_table(fits_path(model, task if name == ORACLE else name))
        if name == ORACLE:
            for transform, rows in told.groupby("transform", sort=False):
                mine = fits[fits["fold"] == f"oracle:{transform}"]
                yield _Part(task, LINEAR, rows, mine, oracle_scores(rows, classes))
        elif name == OTHER_PROBES:
            for probe, rows in _by_probe(told):
                mine = fits[(fits["probe"] == probe) | fits["probe"].str.startswith(f"{probe}-")]
                yield _Part(task, probe, rows, mine, fewer_scores(rows, classes))
        else:
            mine = fits[~fits["fold"].str.startswith("oracle:") & (fits["fold"] != DEPLOYMENT)]
            yield _Part(task, LINEAR, told, mine, scores_of(task, told, classes, far))


def _by_probe(told: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each probe, and before its seeds the MLP as a whole: every sample counts once for each of them."""
    seeds = told[told["probe"].str.startswith("mlp-")]
    if len(seeds):
        yield "mlp", seeds
    for probe, rows in told.groupby("probe", sort=False):
        yield str(probe), rows


def _rows(model: str, part: _Part) -> Iterator[dict[str, Any]]:
    fitted = _note(part.fits)
    images = part.told["image_id"].factorize()[0]
    for subset, measure, rows, sums, chance in part.scores:
        about = MEASURES.get(measure)
        found = interval(sums, low=about.low, high=about.high) if about.has_interval else without_interval(sums)
        yield {
            "model": model,
            "task": part.task,
            "probe": part.probe,
            "subset": subset,
            "measure": measure,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "interval": found.method,
            "images": len(np.unique(images[rows])),
            "bases": found.clusters,
            "chance": chance,
            "note": joined(too_few(found.clusters), fitted),
        }


def _note(fits: pd.DataFrame) -> str:
    """What a reader must know about the probes, or an empty string."""
    own = fits["note"].unique() if "note" in fits else ()
    return joined(note_of_fit_columns(fits["converged"], fits["at_edge"]), *own)
