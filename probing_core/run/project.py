"""The ``project`` stage: maps of the embeddings from each model, and the nearest samples from other photographs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from probing_core.compute.maps import LANDMARKS, map_table, neighbor_table, read_as
from probing_core.compute.runtime.workers import Workers
from probing_core.compute.sampling.samples import samples_on_maps
from probing_core.compute.task_names import BY_EMBEDDING, BY_TRANSFORMATION, PROJECTIONS
from probing_core.cores import cores
from probing_core.measures.statistics import with_place
from probing_core.run import layout
from probing_core.run.asset_options import CLASSES, MAP, SEED
from probing_core.run.assets import Asset, PartitionKey, Stage, UnitWriter
from probing_core.run.embed import embeddings, images, samples
from probing_core.run.layout import ANY_MODEL, map_path, neighbors_path
from probing_core.run.models import lazy_embeddings
from probing_core.run.options import PROJECT
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import RunFiles

stage = Stage(PROJECT)

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
    far: Sequence[str]


def project(writers: Sequence[UnitWriter]) -> None:
    """Compute missing maps and tables of neighbors, in parallel if cores and memory allow."""
    missing = [writer for writer in writers if writer.missing(1)]
    if not missing:
        return
    resources, root = missing[0].context.resources, missing[0].files.root
    shapes = [lazy_embeddings(writer.files, writer.context.model).shape for writer in missing]
    largest = max(dim for _, dim in shapes)
    count = min(maps_at_once(shapes[0][0], largest, resources.options.jobs), len(missing))
    messages = [writer.partition.asset.message.format(**writer.context.key) for writer in missing]
    with ExitStack() as stack:
        run_each = stack.enter_context(Workers(count)).map if count > 1 else map
        tables = run_each(partial(_compute, root), map(_projection, missing))
        for position, (writer, table) in enumerate(zip(missing, tables, strict=True), 1):
            writer.write(0, table)
            resources.progress.update(PROJECT, position, len(missing), messages[min(position, len(missing) - 1)])


def maps_at_once(samples: int, dim: int, jobs: int | None) -> int:
    """Return the number of maps to compute in parallel, at most ``jobs`` (by default the number of cores).

    If the number is less than 2, the maps are computed in this process.
    """
    if samples <= FEW_SAMPLES:
        return 1
    memory = WORKER_BYTES + COPIES * 4 * dim * min(samples, LANDMARKS)
    return min(jobs or cores(), int(psutil.virtual_memory().available // memory))


READING = {path(ANY_MODEL, reading): reading for path in (map_path, neighbors_path) for reading in PROJECTIONS}
"""Path of an asset -> name of its projection."""


def _projection(writer: UnitWriter) -> Projection:
    options = writer.context.options
    far = [transform.name for transform in options.get("classes", ()) if transform.far]
    return Projection(writer.context.model, READING[writer.partition.asset.path], options.get("seed"), far)


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


def _placed_models(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return a partition key for each model with embeddings, except additional seeds."""
    return [{"model": name} for name in with_place(run.models) if run.covers(name, "")]


def _define(reading: str, embeddings_are: str) -> tuple[Asset, Asset]:
    """Define two assets for one projection: the map of a model, and its table of neighbors."""
    points = stage.add(
        Asset(
            path=map_path(ANY_MODEL, reading),
            description=f"UMAP coordinates (`sample`, `x`, `y`) of the test samples, computed from {embeddings_are}.",
            stage=PROJECT,
            partitions=_placed_models,
            dependencies=(samples, images, embeddings),
            options=(SEED, MAP),
            code_version=4,
            compute_units=project,
            message="Computing the map for {model}",
        )
    )
    neighbors = stage.add(
        Asset(
            path=neighbors_path(ANY_MODEL, reading),
            description="Nearest test samples from other photographs (`near_1` to `near_5`) for each `sample`, "
            f"computed from {embeddings_are}. Neighbors are row numbers of this table, starting at 0. The maximum of "
            "the integer type means that there is no neighbor. `among` is -1, or 0 in additional rows that only "
            "contain neighbors from the first repetition.",
            stage=PROJECT,
            partitions=_placed_models,
            dependencies=(samples, images, embeddings),
            options=(CLASSES, MAP),
            code_version=2,
            compute_units=project,
            message="Finding nearest neighbors for {model}",
        )
    )
    return points, neighbors


map_of_transformations, neighbors_by_transformation = _define(
    BY_TRANSFORMATION, "embeddings minus the mean over the versions of each image"
)
map_of_embeddings, neighbors_by_embedding = _define(BY_EMBEDDING, "the full embeddings")
