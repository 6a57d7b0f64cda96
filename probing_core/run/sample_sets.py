"""The samples that a run computes and embeds in units: the main samples, and the samples of each series."""

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
from probing_core.run.assets import Shard
from probing_core.run.models import embeds_pictures

Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Full model name -> arrays of one unit, by name."""


SHARD_BYTES = 64 * 2**20
"""Target size of files with several units of embeddings, which limits the number of files."""


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples that are computed and embedded in units: the main samples, or a series.

    Attributes:
        series: name of the series; empty for the main samples, which are the only samples that may have precomputed
            embeddings.
        plan: (start, stop) -> planned rows in this range, without the columns that are measured on images.
    """

    series: str
    plan: Callable[[int, int], pd.DataFrame]
    units: Sequence[Unit]

    def __len__(self) -> int:
        return self.units[-1].stop

    @property
    def blocks(self) -> bool:
        """Whether embeddings come from every block of a network, rather than from the output of the model."""
        return self.series == LAYERS

    def rows(self, unit: Unit | None = None) -> pd.DataFrame:
        """Return the planned rows of one unit, or all of them."""
        return self.plan(0, len(self)) if unit is None else self.plan(unit.start, unit.stop)

    def covers(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the model of ``entry`` (its ``model.toml``) has embeddings of these samples."""
        return bool(entry.get("blocks")) if self.blocks else not self.series or embeds_pictures(entry)

    def shards(self, entry: Mapping[str, Any]) -> list[Shard]:
        """Return the ranges of units for the model of ``entry`` whose embeddings are joined into one file of about
        `SHARD_BYTES`. Every layer of a network is assumed to have the embedding size of the network."""
        arrays = entry["blocks"] if self.blocks else ("embeddings",)
        sizes = Counter(unit.stop - unit.start for unit in self.units)
        bytes_of = {rows: file_bytes(arrays, rows, entry["dim"]) for rows in sizes}
        return cut_shards([bytes_of[unit.stop - unit.start] for unit in self.units], SHARD_BYTES)

    def make(
        self, design: Design, corpus: Corpus, rows: pd.DataFrame, pool: Executor
    ) -> tuple[list[np.ndarray], pd.DataFrame]:
        """Transform the images of the planned ``rows`` of one unit, and return them with the completed rows."""
        return make_samples(self.series, design, corpus, rows, pool)

    def embed(self, embedder: LoadedEmbedder, pictures: list[np.ndarray], rows: pd.DataFrame) -> Arrays:
        if self.blocks:
            return {embedder.name: embedder.embed_blocks(pictures)}
        by_model = embedder.embed_layers(pictures) if self.series else embedder.embed_samples(pictures, rows)
        return {name: {"embeddings": embeddings} for name, embeddings in by_model.items()}


def plan_sample_sets(design: Design, images: pd.DataFrame) -> dict[str, SampleSet]:
    """Return name of a series -> its samples. The main samples come first and have an empty name."""
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
    """A task for one unit: to compute its rows, or its embeddings from one model.

    Attributes:
        series, unit: the samples; ``series`` is empty for the main samples.
        model: full name of the model; empty for the rows of the samples.
        request: requested name of the model.
        cache_key: digest of all inputs.
        path: path of the result.
    """

    series: str
    unit: int
    model: str
    request: str
    cache_key: str
    path: str


def cut_shards(unit_bytes: Sequence[int], shard_bytes: int) -> list[Shard]:
    """Divide units into shards, each of which ends with the unit that brings it to ``shard_bytes``."""
    shards: list[Shard] = []
    first, size = 0, 0
    for unit, count in enumerate(unit_bytes):
        size += count
        if size >= shard_bytes or unit == len(unit_bytes) - 1:
            shards.append((first, unit))
            first, size = unit + 1, 0
    return shards


def file_bytes(arrays: Iterable[str], rows: int, dim: int) -> int:
    """Return the size in bytes of a safetensors file with ``arrays``, each (rows, dim) ``float32``."""
    size, header = 4 * rows * dim, {}
    for i, name in enumerate(arrays):
        header[name] = {"dtype": "F32", "shape": [rows, dim], "data_offsets": [i * size, (i + 1) * size]}
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + length + -length % 8 + len(header) * size
