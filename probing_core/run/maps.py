"""Makers of maps and of tables of neighbors, for several models in parallel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from probing_core.compute.maps import LANDMARKS, map_table, neighbor_table, read_as
from probing_core.compute.names import READINGS
from probing_core.compute.parallel import cores
from probing_core.compute.samples import samples_on_maps
from probing_core.compute.workers import Workers
from probing_core.run import layout
from probing_core.run.engine import Units
from probing_core.run.layout import ANY_MODEL
from probing_core.run.models import lazy_embeddings
from probing_core.run.options import PROJECT
from probing_core.run.store import Files, RunFiles

FEW_SAMPLES = 5000
"""Largest number of samples for which one process draws all maps: another takes seconds to start."""

MEMORY_OF_WORKER = 600 * 2**20
"""Bytes used by a process that draws a map, without embeddings."""

COPIES = 5
"""Copies of the landmarks' embeddings in memory while a map is drawn."""


@dataclass(frozen=True)
class Drawing:
    """What is made of one model in one reading.

    Attributes:
        near: whether it is the table of neighbors, and not the map.
        seed: of UMAP.
        far: transformations that no probe names: they are on maps, but are no neighbors.
    """

    model: str
    reading: str
    near: bool
    seed: int = 0
    far: tuple[str, ...] = ()


DRAWN = {
    path(ANY_MODEL, reading): (reading, path is layout.neighbors_path)
    for path in (layout.map_path, layout.neighbors_path)
    for reading in READINGS
}
"""Path of a row -> its reading, and whether it is for neighbors."""


def draw(made: Sequence[Units]) -> None:
    """Make the missing maps and tables of neighbors, in parallel where cores and memory allow."""
    lacking = [units for units in made if units.lacking(1)]
    says = [one.artifact.row.doing.format(**one.given.binding) for one in lacking]
    for done, (units, table) in enumerate(zip(lacking, _tables(lacking), strict=True)):
        units.write(0, table)
        units.given.means.progress.update(PROJECT, done + 1, len(lacking), says[min(done + 1, len(lacking) - 1)])


def _tables(lacking: Sequence[Units]) -> Iterator[pd.DataFrame]:
    if not lacking:
        return
    drawings = [_drawing(one) for one in lacking]
    shapes = [lazy_embeddings(one.files, drawing.model).shape for one, drawing in zip(lacking, drawings, strict=True)]
    jobs = lacking[0].given.means.options.jobs
    count = min(workers(shapes[0][0], max(dim for _, dim in shapes), jobs), len(drawings))
    if count < 2:
        for units, drawing in zip(lacking, drawings, strict=True):
            yield _on_one_core(units.files, drawing)
        return
    with Workers(count) as pool:
        yield from pool.map(partial(_draw_in, lacking[0].files.root), drawings)


def _drawing(units: Units) -> Drawing:
    options = units.given.options
    far = tuple(t.name for t in options.get("classes", ()) if t.far)
    return Drawing(units.given.binding["model"], *DRAWN[units.artifact.row.path], options.get("seed", 0), far)


def workers(samples: int, dim: int, jobs: int | None) -> int:
    """Return how many processes draw at once; fewer than two means this process.

    Args:
        samples, dim: of embeddings.
        jobs: largest number; by default one per core.
    """
    if samples <= FEW_SAMPLES:
        return 1
    memory = MEMORY_OF_WORKER + COPIES * 4 * dim * min(samples, LANDMARKS)
    return min(jobs or cores(), int(psutil.virtual_memory().available // memory))


def _draw_in(root: Path, drawing: Drawing) -> pd.DataFrame:
    return _on_one_core(RunFiles(root), drawing)


def _on_one_core(files: Files, drawing: Drawing) -> pd.DataFrame:
    """Return a table whose bytes do not depend on how many are made at once."""
    with threadpool_limits(1):
        columns = ["sample", "image_id", "base_id", "transform", "repetition", "draw"]
        samples = files.read_table(layout.SAMPLES, columns)
        rows = samples_on_maps(samples, files.read_table(layout.IMAGES))
        samples = samples.iloc[rows].reset_index(drop=True)
        X = read_as(lazy_embeddings(files, drawing.model).at(rows), samples, drawing.reading)
        if not drawing.near:
            return map_table(X, samples, drawing.seed)
        named = np.flatnonzero(~samples["transform"].isin(drawing.far))
        return neighbor_table(X.at(named), samples.iloc[named])
