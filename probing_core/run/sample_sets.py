"""Sets of samples that a run computes and embeds in units: the main samples, and the samples of each experiment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.sampling.samples import Design, SamplePlan, Unit, cut_units
from probing_core.compute.sampling.series import make_samples, plan_series, series_names
from probing_core.compute.task_names import LAYERS, MAIN
from probing_core.corpora.corpus import Corpus
from probing_core.models.embedder import LoadedEmbedder
from probing_core.run.models import embeds_pictures
from probing_core.run.units import Shard

Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Full model name -> array name -> array, for one unit."""


SHARD_BYTES = 64 * 2**20
"""Target size of embedding files in bytes. Units are joined into files of this size to limit the number of files."""


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples that are computed and embedded in units: the main samples, or the samples of an experiment.

    Attributes:
        series: name of the experiment, or an empty string for the main samples. Only the main samples can have
            precomputed embeddings.
        plan: (start, stop) -> planned rows in this range, without the columns that are measured on images.
        units: ranges of rows that are computed together.
    """

    series: str
    plan: Callable[[int, int], pd.DataFrame]
    units: Sequence[Unit]

    def __len__(self) -> int:
        return self.units[-1].stop

    @property
    def blocks(self) -> bool:
        """Whether embeddings are computed from every layer of a network, instead of only from its output."""
        return self.series == LAYERS

    def rows(self, unit: Unit | None = None) -> pd.DataFrame:
        """Return the planned rows of ``unit``, or of all units if ``unit`` is None."""
        return self.plan(0, len(self)) if unit is None else self.plan(unit.start, unit.stop)

    def covers(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the model described by ``entry`` (the content of its ``model.toml``) embeds these samples."""
        return bool(entry.get("blocks")) if self.blocks else not self.series or embeds_pictures(entry)

    def shards(self, entry: Mapping[str, Any]) -> list[Shard]:
        """Divide the units into shards. The embeddings of a shard are joined into one file of about `SHARD_BYTES`.

        Every layer of a network is assumed to have the embedding dimension of the network.

        Args:
            entry: content of ``model.toml``.

        Returns:
            The first and the last unit of each shard.
        """
        arrays = entry["blocks"] if self.blocks else ("embeddings",)
        sizes = Counter(unit.stop - unit.start for unit in self.units)
        bytes_of = {rows: file_bytes(arrays, rows, entry["dim"]) for rows in sizes}
        return cut_shards([bytes_of[unit.stop - unit.start] for unit in self.units], SHARD_BYTES)

    def make(
        self, design: Design, corpus: Corpus, rows: pd.DataFrame, pool: Executor
    ) -> tuple[list[np.ndarray], pd.DataFrame]:
        """Transform the images of the planned ``rows`` of one unit.

        Returns:
            The transformed images, and the rows with all measurements.
        """
        return make_samples(self.series, design, corpus, rows, pool)

    def embed(self, embedder: LoadedEmbedder, pictures: list[np.ndarray], rows: pd.DataFrame) -> Arrays:
        if self.blocks:
            return {embedder.name: embedder.embed_blocks(pictures)}
        by_model = embedder.embed_layers(pictures) if self.series else embedder.embed_samples(pictures, rows)
        return {name: {"embeddings": embeddings} for name, embeddings in by_model.items()}


def plan_sample_sets(design: Design, images: pd.DataFrame) -> dict[str, SampleSet]:
    """Plan the samples of a run.

    Returns:
        Name of an experiment -> its samples. The main samples come first, with an empty name.
    """
    main = SamplePlan(design, images)
    sets = [SampleSet(MAIN, main.rows, main.units)]
    for name in series_names(design, images):
        planned = plan_series(name, design, images)
        sets.append(SampleSet(name, partial(_slice, planned), cut_units(design, planned)))
    return {sample_set.series: sample_set for sample_set in sets}


def _slice(planned: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    return planned.iloc[start:stop]


@dataclass(frozen=True)
class UnitJob:
    """A job that computes the rows of one unit, or its embeddings from one model.

    Attributes:
        series: name of the experiment, or an empty string for the main samples.
        unit: index of the unit.
        model: full name of the model, or an empty string if the job computes rows.
        request: name of the model in the recipe.
        folder: folder of the result in the run directory.
    """

    series: str
    unit: int
    model: str
    request: str
    folder: str


def cut_shards(unit_bytes: Sequence[int], shard_bytes: int) -> list[Shard]:
    """Divide units into shards. A shard is closed once its size reaches ``shard_bytes``."""
    shards: list[Shard] = []
    first, size = 0, 0
    for unit, count in enumerate(unit_bytes):
        size += count
        if size >= shard_bytes or unit == len(unit_bytes) - 1:
            shards.append((first, unit))
            first, size = unit + 1, 0
    return shards


def file_bytes(arrays: Iterable[str], rows: int, dim: int) -> int:
    """Return the size in bytes of a safetensors file with ``arrays`` of shape (rows, dim) and type ``float32``."""
    size, header = 4 * rows * dim, {}
    for i, name in enumerate(arrays):
        header[name] = {"dtype": "F32", "shape": [rows, dim], "data_offsets": [i * size, (i + 1) * size]}
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + length + -length % 8 + len(header) * size
