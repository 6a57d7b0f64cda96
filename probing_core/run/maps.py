"""Makers of maps and of tables of neighbors, those of several models side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.maps import LANDMARKS, Residuals, map_table, neighbor_table, read_as
from probing_core.compute.names import READINGS
from probing_core.compute.parallel import cores
from probing_core.compute.samples import samples_on_maps
from probing_core.compute.workers import Workers
from probing_core.run import layout
from probing_core.run.embeddings import lazy_embeddings
from probing_core.run.engine import Units
from probing_core.run.layout import ANY_MODEL
from probing_core.run.options import PROJECT
from probing_core.run.store import Files, RunFiles

FEW_SAMPLES = 5000
"""Samples of a run up to which one process draws its maps: another takes seconds to start."""

MEMORY_OF_WORKER = 600 * 2**20
"""Bytes that a process takes which draws a map, embeddings apart."""

COPIES = 5
"""Times that the embeddings of the landmarks are in memory while a map is drawn."""


@dataclass(frozen=True)
class Drawing:
    """What is made of one model in one reading.

    Attributes:
        model, reading: which one.
        seed: of UMAP.
        far: transformations that no probe names: they are on maps, and no neighbors.
    """

    model: str
    reading: str
    seed: int = 0
    far: tuple[str, ...] = ()


def map_of(files: Files, drawing: Drawing) -> pd.DataFrame:
    X, samples = _samples_of(files, drawing)
    return map_table(X, samples, drawing.seed)


def neighbors_of(files: Files, drawing: Drawing) -> pd.DataFrame:
    X, samples = _samples_of(files, drawing)
    named = np.flatnonzero(~samples["transform"].isin(drawing.far))
    return neighbor_table(X.at(named), samples.iloc[named])


def _samples_of(files: Files, drawing: Drawing) -> tuple[LazyRows | Residuals, pd.DataFrame]:
    """Return the samples of a map, and their embeddings in its reading."""
    columns = ["sample", "image_id", "base_id", "transform", "repetition", "draw"]
    samples = files.read_table(layout.SAMPLES, columns)
    rows = samples_on_maps(samples, files.read_table(layout.IMAGES))
    samples = samples.iloc[rows].reset_index(drop=True)
    return read_as(lazy_embeddings(files, drawing.model).at(rows), samples, drawing.reading), samples


MADE: dict[str, tuple[str, Callable[[Files, Drawing], pd.DataFrame], str]] = {
    path(ANY_MODEL, reading): (reading, make, doing)
    for path, make, doing in (
        (layout.map_path, map_of, "Drawing the map of"),
        (layout.neighbors_path, neighbors_of, "Finding neighbors of"),
    )
    for reading in READINGS
}
"""Path of a row -> its reading, what makes its table, and what is said meanwhile."""


def draw(made: Sequence[Units]) -> None:
    """Make the missing maps and tables of neighbors, side by side where cores and memory allow."""
    lacking = [units for units in made if units.lacking(1)]
    if not lacking:
        return
    means = made[0].given.means
    says = [f"{MADE[one.artifact.row.path][2]} {one.given.binding['model']}" for one in lacking]
    for done, (units, table) in enumerate(zip(lacking, _tables(lacking), strict=True)):
        units.write(0, table)
        means.progress.update(PROJECT, done + 1, len(lacking), says[min(done + 1, len(lacking) - 1)])


def _tables(lacking: Sequence[Units]) -> Iterator[pd.DataFrame]:
    jobs = [(one.artifact.row.path, _drawing(one)) for one in lacking]
    shapes = [lazy_embeddings(one.files, one.given.binding["model"]).shape for one in lacking]
    jobs_at_once = lacking[0].given.means.options.jobs
    count = min(workers(shapes[0][0], max(dim for _, dim in shapes), jobs_at_once), len(jobs))
    if count < 2:
        for units, (path, drawing) in zip(lacking, jobs, strict=True):
            yield _on_one_core(units.files, path, drawing)
        return
    with Workers(count) as pool:
        yield from pool.map(partial(_draw_in, lacking[0].files.root), jobs)


def _drawing(units: Units) -> Drawing:
    given = units.given
    far = tuple(t.name for t in given.options.get("classes", ()) if t.far)
    reading = MADE[units.artifact.row.path][0]
    return Drawing(given.binding["model"], reading, given.options.get("seed", 0), far)


def workers(samples: int, dim: int, jobs: int | None) -> int:
    """Return how many processes draw at once; fewer than two stand for this process.

    Args:
        samples, dim: of embeddings.
        jobs: as many at most; one a core if not given.
    """
    if samples <= FEW_SAMPLES:
        return 1
    memory = MEMORY_OF_WORKER + COPIES * 4 * dim * min(samples, LANDMARKS)
    return min(jobs or cores(), int(psutil.virtual_memory().available // memory))


def _draw_in(root: Path, job: tuple[str, Drawing]) -> pd.DataFrame:
    """Return the table of one artifact of the run ``root``, in a process of its own."""
    return _on_one_core(RunFiles(root), *job)


def _on_one_core(files: Files, path: str, drawing: Drawing) -> pd.DataFrame:
    """Return a table whose bytes do not depend on how many are made at once."""
    with threadpool_limits(1):
        return MADE[path][1](files, drawing)
