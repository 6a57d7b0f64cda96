"""The ``project`` stage: maps of the embeddings from each model, and the nearest samples from other photographs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from probing_core.compute.maps import LANDMARKS, MAP_NEIGHBORS, map_table, neighbor_table, read_as
from probing_core.compute.runtime.workers import Workers
from probing_core.compute.sampling.samples import samples_on_maps
from probing_core.compute.task_names import BY_EMBEDDING, BY_TRANSFORMATION, MAIN
from probing_core.cores import cores
from probing_core.measures.statistics import with_place
from probing_core.run import layout, step_times
from probing_core.run.layout import map_path, neighbors_path
from probing_core.run.models import lazy_embeddings
from probing_core.run.options import PROJECT
from probing_core.run.run_files import RunFiles
from probing_core.run.step_times import StepTime
from probing_core.run.work import IMAGES_STEP, Work, embeddings_step, samples_step

FEW_SAMPLES = 5000
"""Maximum number of samples for which maps are not computed in parallel, because starting processes takes seconds."""

WORKER_BYTES = 600 * 2**20
"""Memory in bytes that a process needs to compute a map, excluding embeddings."""

COPIES = 5
"""Number of copies of the landmark embeddings in memory while a map is computed."""


@dataclass(frozen=True)
class Projection:
    """Description of a map or a table of neighbors to compute.

    Attributes:
        reading: name of the projection (`PROJECTIONS`).
        seed: random seed of a map, or None for a table of neighbors.
        far: names of the unseen styles, which are excluded from tables of neighbors.
    """

    model: str
    reading: str
    seed: int | None
    far: tuple[str, ...]

    @property
    def path(self) -> str:
        path = neighbors_path if self.seed is None else map_path
        return path(self.model, self.reading)

    @property
    def step(self) -> str:
        return self.path.removesuffix(layout.PARQUET)

    @property
    def message(self) -> str:
        what = "Finding nearest neighbors" if self.seed is None else "Computing the map"
        return f"{what} for {self.model}"


def project(work: Work, readings: Sequence[str] = (BY_TRANSFORMATION, BY_EMBEDDING), neighbors: bool = True) -> None:
    """Compute missing maps and tables of neighbors, in parallel if cores and memory allow.

    Models that are additional seeds are not projected.

    Args:
        readings: names of the projections.
        neighbors: whether to also compute the tables of neighbors.
    """
    far = tuple(t.name for t in work.transforms if t.far)
    seeds = [work.recipe.seed, *([None] if neighbors else [])]
    models = [name for name in with_place(work.models) if name in work.embedded()]
    projections = [Projection(model, reading, seed, far) for reading in readings for model in models for seed in seeds]
    inputs = {projection: _inputs(work, projection) for projection in projections}
    missing = [
        projection
        for projection in projections
        if work.run.needs(projection.step, inputs[projection], readable=not work.was_shipped(projection.model))
    ]
    if not missing:
        return
    shapes = [lazy_embeddings(work.run, projection.model).shape for projection in missing]
    largest = max(dim for _, dim in shapes)
    count = min(maps_at_once(shapes[0][0], largest, work.options.jobs), len(missing))
    with ExitStack() as stack:
        run_each = stack.enter_context(Workers(count)).map if count > 1 else map
        work.progress.update(PROJECT, 0, len(missing), missing[0].message)
        results = run_each(partial(_timed, work.run.root), missing)
        for position, (projection, (table, seconds)) in enumerate(zip(missing, results, strict=True), 1):
            duration = StepTime(work.kind(projection.step), work.size(projection.step), seconds)
            step_times.note(work.run.root, [duration])
            work.run.save(projection.step, inputs[projection], {projection.path: table})
            upcoming = missing[min(position, len(missing) - 1)]
            work.progress.update(PROJECT, position, len(missing), upcoming.message)


def _inputs(work: Work, projection: Projection) -> dict[str, Any]:
    keys = work.run.keys(IMAGES_STEP, samples_step(MAIN), embeddings_step(projection.model))
    options = {"map": [MAP_NEIGHBORS, LANDMARKS]} | keys
    if projection.seed is None:
        return {"code_version": 2, "classes": work.classes} | options
    return {"code_version": 4, "seed": projection.seed} | options


def maps_at_once(samples: int, dim: int, jobs: int | None) -> int:
    """Return the number of maps to compute in parallel, at most ``jobs`` (by default the number of cores).

    If the number is less than 2, the maps are computed in this process.
    """
    if samples <= FEW_SAMPLES:
        return 1
    memory = WORKER_BYTES + COPIES * 4 * dim * min(samples, LANDMARKS)
    return min(jobs or cores(), int(psutil.virtual_memory().available // memory))


def _timed(root: Path, projection: Projection) -> tuple[pd.DataFrame, float]:
    began = time.perf_counter()
    return _compute(root, projection), time.perf_counter() - began


def _compute(root: Path, projection: Projection) -> pd.DataFrame:
    files = RunFiles(root)
    with threadpool_limits(1):  # results must not depend on the number of parallel processes
        columns = ["sample", "image_id", "base_id", "transform", "repetition", "draw"]
        table = files.read_table(layout.SAMPLES, columns)
        rows = samples_on_maps(table, files.read_table(layout.IMAGES))
        table = table.iloc[rows].reset_index(drop=True)
        X = read_as(lazy_embeddings(files, projection.model).at(rows), table, projection.reading)
        if projection.seed is not None:
            return map_table(X, table, projection.seed)
        learned = np.flatnonzero(~table["transform"].isin(projection.far))
        return neighbor_table(X.at(learned), table.iloc[learned])
