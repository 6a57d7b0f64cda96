"""Studies, which are additional tables of the ``evaluate`` stage in runs with splits.

A function that is decorated with `study` computes the rows for one model (``models/<slug>/studies/<name>.parquet``),
and `join` concatenates the rows of all models into ``tables/<name>.parquet``. `study` specifies the inputs of both
files. docs/assets.md explains when a file is stale. If all layers of a model were requested, studies only use the last
layer.

To add a study, add a function like the following to this file. Long functions belong in
`probing_core.compute.studies`::

    @study("brightening", code_version=1)
    def brightening(data: StudiedModel) -> pd.DataFrame:
        "Measure how far brightening shifts embeddings."
        clean, brightened = (data.of_split("test").of(transform) for transform in ("identity", "brighten"))
        moved = mean(shift(clean.X, brightened.X), clean.bases)
        return pd.DataFrame([{"model": data.model} | measured("shift", moved)])

- ``data.of_split("test")`` contains the embeddings ``X`` and the sample table ``rows`` of up to 300 test images
  (`STUDY_IMAGES`) under the transformations on which probes are trained, in the first repetition. Identity has two
  draws; ``.of("identity", draw=1)`` selects the second one. ``.of(transform)`` selects one sample for each image,
  always in the same order.
- ``mean``, ``measured`` and ``shift`` are imported as in `probing_core.compute.studies.tables`.
- ``measured(name, sums)`` returns the columns of a score and its interval. ``name`` must be in `MEASURES`
  (`probing_core.measures`), which defines the bounds of the interval. If no measure is suitable, add one without a
  ``score`` to ``probing_core/measures/<family>.py``. A table needs the columns ``low`` and ``high``, or ``..._low`` and
  ``..._high``.
- Describe the columns in docs/run-format.md, in the order of the table. Tests check the order. Then run
  ``python -m lab.scripts.format_docs`` and ``pytest tests/compute/studies``.
- If the study fits probes, add it to `STUDY_FITS` (`probing_core.run.remaining_steps`). If a page shows the table, add
  example rows to ``tests/made_studies.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probing_core.compute.studies import tables
from probing_core.compute.studies.strength import ProbedSeries, strength_table, threshold_table
from probing_core.compute.studies.study_data import SeriesData, StudiedModel
from probing_core.compute.task_names import FINE, LAYERS, MAIN, STRENGTH
from probing_core.run import layout
from probing_core.run.asset_options import CLASSES, MODELS, SEED, STUDY_SIZES
from probing_core.run.assets import UNPARTITIONED, Asset, Context, InputFiles, PartitionKey, summary
from probing_core.run.embed import (
    embeddings,
    images,
    layers_embeddings,
    layers_samples,
    samples,
    strength_embeddings,
    strength_samples,
)
from probing_core.run.evaluate import JOINING, join
from probing_core.run.layout import ANY_MODEL, probe_path, study_path
from probing_core.run.live import read_probe
from probing_core.run.models import lazy_blocks
from probing_core.run.options import EVALUATE
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.train import fine, model_inputs

SERIES_ASSETS: Mapping[str, Sequence[Asset]] = {
    MAIN: (),
    STRENGTH: (strength_samples, strength_embeddings),
    LAYERS: (layers_samples, layers_embeddings),
}
"""Experiment that studies can read in addition to the main samples (or `MAIN` for none) -> assets of the experiment."""

Compute = Callable[[Any], pd.DataFrame]
"""Function that takes a `StudiedModel`, or `SeriesData` if the study reads an additional experiment.

The function returns rows for one model.
"""


@dataclass(frozen=True)
class Study:
    """An additional table of a run.

    Attributes:
        name: name of the study and of its table, ``tables/<name>.parquet``.
        series: additional experiment that the study reads, or `MAIN`.
        compute: function that computes the rows for one model.
        rows: asset with the rows for one model.
        table: asset with the rows for all models.
    """

    name: str
    series: str
    compute: Compute
    rows: Asset
    table: Asset


STUDIES: list[Study] = []
"""All studies, in order of definition."""


def assets() -> list[Asset]:
    """Return the assets of all studies.

    The assets with the rows for each model come first, so that they can share data. The tables follow.
    """
    return [*(study.rows for study in STUDIES), *(study.table for study in STUDIES)]


def study(name: str, *, code_version: int, series: str = MAIN, reads_probe: bool = False) -> Callable[[Compute], Study]:
    """Return a decorator that defines a study from a function that computes the rows for one model.

    Args:
        name: name of the study and of its table.
        code_version: code version of the rows.
        series: additional experiment that the study reads. If it is not empty, the function receives `SeriesData`
            instead of a `StudiedModel`.
        reads_probe: whether the function receives a `ProbedSeries`, which includes the ``fine`` probe. This requires
            the strength experiment.
    """
    if reads_probe and series != STRENGTH:
        raise ValueError(
            f"The study '{name}' cannot read a probe, because it does not read the '{STRENGTH}' experiment."
        )
    probe = (fine.output(probe_path(ANY_MODEL, FINE)),) if reads_probe else ()

    def models(run: RunSnapshot) -> Sequence[PartitionKey]:
        return [{"model": model} for model in run.studied_models(series)]

    def once_if_studied(run: RunSnapshot) -> Sequence[PartitionKey]:
        return UNPARTITIONED if run.studied_models(series) else ()

    def define(compute: Compute) -> Study:
        def rows_of_model(files: InputFiles, context: Context) -> pd.DataFrame:
            return compute(study_data(files, context, series, reads_probe))

        rows = Asset(
            path=study_path(ANY_MODEL, name),
            description=summary(compute),
            stage=EVALUATE,
            partitions=models,
            dependencies=(samples, images, embeddings, *SERIES_ASSETS[series], *probe),
            options=(CLASSES, SEED, STUDY_SIZES),
            code_version=code_version,
            function=rows_of_model,
            group="studies",
            message=f"Computing the {name} study for {{model}}",
        )
        table = Asset(
            path=layout.table_path(name),
            description=f"{rows.description.removesuffix('.')}, for all models.",
            stage=EVALUATE,
            partitions=once_if_studied,
            dependencies=(rows,),
            options=(MODELS,),
            function=join,
            message=JOINING,
        )
        STUDIES.append(Study(name, series, compute, rows, table))
        return STUDIES[-1]

    return define


def study_data(files: InputFiles, context: Context, series: str, reads_probe: bool) -> StudiedModel | SeriesData:
    """Return the input of a study. Inputs and shared results of one model are cached in memory."""
    cache = context.cache
    if MAIN not in cache:
        cache[MAIN] = StudiedModel(**model_inputs(files, context))
    if series == MAIN:
        return cache[MAIN]
    if (series, reads_probe) not in cache:
        inputs = (
            cache[MAIN],
            files.read_table(layout.series_table(series)),
            lazy_blocks(files, context.model, series),
        )
        probed = ProbedSeries(*inputs, read_probe(files, context.model, FINE)) if reads_probe else SeriesData(*inputs)
        cache[series, reads_probe] = probed
    return cache[series, reads_probe]


@study("duplicates", code_version=7)
def duplicates(data: StudiedModel) -> pd.DataFrame:
    """Compute the recall of transformed copies at several cosine similarity thresholds."""
    return tables.duplicates_table(data)


@study("geometry", code_version=7)
def geometry(data: StudiedModel) -> pd.DataFrame:
    """Measure the embedding shift of each transformation."""
    return tables.geometry_table(data)


@study("layers", code_version=9, series=LAYERS)
def layers(data: SeriesData) -> pd.DataFrame:
    """Measure the accuracy of probes on every layer of a network."""
    return tables.layers_table(data)


@study("retrieval", code_version=7, series=STRENGTH)
def retrieval(data: SeriesData) -> pd.DataFrame:
    """Compute the recall of retrieving original images, by transformation and strength."""
    return tables.retrieval_table(data)


@study("selectivity", code_version=6)
def selectivity(data: StudiedModel) -> pd.DataFrame:
    """Compare the accuracy of probes with the accuracy of probes that are trained on a control task."""
    return tables.selectivity_table(data)


@study("strength", code_version=5, series=STRENGTH, reads_probe=True)
def strength(data: ProbedSeries) -> pd.DataFrame:
    """Compute the recall and embedding shift of every transformation by strength."""
    return strength_table(data.main.model, data.sweep)


@study("thresholds", code_version=6, series=STRENGTH, reads_probe=True)
def thresholds(data: ProbedSeries) -> pd.DataFrame:
    """Estimate the detection threshold of each transformation."""
    return threshold_table(data.main.model, data.sweep, data.main.transforms)


@study("uses", code_version=5)
def uses(data: StudiedModel) -> pd.DataFrame:
    """Compute scores for each photograph to compare models on several tasks."""
    return tables.uses_table(data)


@study("variance", code_version=6)
def variance(data: StudiedModel) -> pd.DataFrame:
    """Decompose the variance of embeddings into content, appearance, their interaction, and a residual."""
    return tables.variance_table(data)
