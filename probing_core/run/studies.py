"""Studies, which are additional tables of the ``evaluate`` stage in runs with splits.

A function that is decorated with `study` computes the rows for one model (``models/<slug>/studies/<name>.parquet``),
and `join_studies` concatenates the rows of all models into ``tables/<name>.parquet``. docs/steps.md explains when a
file is computed again. If all layers of a model were requested, studies only use the last layer.

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
  ``pytest tests/compute/studies``.
- If a page shows the table, add example rows to ``tests/made_studies.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from probing_core.compute.studies import tables
from probing_core.compute.studies.strength import ProbedSeries, strength_table, threshold_table
from probing_core.compute.studies.study_data import FIT_IMAGES, PENALTIES, STUDY_IMAGES, SeriesData, StudiedModel
from probing_core.compute.task_names import FINE, FRAMING, LAYERS, MAIN, STRENGTH
from probing_core.run import layout
from probing_core.run.directory import Content
from probing_core.run.evaluate import join
from probing_core.run.live import read_probe
from probing_core.run.models import lazy_blocks
from probing_core.run.options import EVALUATE
from probing_core.run.train import model_inputs, train_step
from probing_core.run.work import Work

Compute = Callable[[Any], pd.DataFrame]
"""Function that takes a `StudiedModel`, or `SeriesData` if the study reads an additional experiment.

The function returns rows for one model.
"""


@dataclass(frozen=True)
class Study:
    """An additional table of a run.

    Attributes:
        name: name of the study and of its table, ``tables/<name>.parquet``.
        code_version: version that must be increased when a code change produces different rows for the same inputs.
        series: additional experiment that the study reads, or `MAIN`.
        is_optional: whether models that do not embed the experiment are studied as well.
        reads_probe: whether the study reads the ``fine`` probe.
        compute: function that computes the rows for one model.
    """

    name: str
    code_version: int
    series: str
    is_optional: bool
    reads_probe: bool
    compute: Compute


STUDIES: list[Study] = []
"""All studies, in order of definition."""


def study(
    name: str, *, code_version: int, series: str = MAIN, is_optional: bool = False, reads_probe: bool = False
) -> Callable[[Compute], Study]:
    """Return a decorator that defines a study from a function that computes the rows for one model.

    Args:
        name: name of the study and of its table.
        code_version: code version of the rows.
        series: additional experiment that the study reads. If it is not empty, the function receives `SeriesData`
            instead of a `StudiedModel`.
        is_optional: whether models that do not embed the experiment are studied as well, with an empty `SeriesData`.
        reads_probe: whether the function receives a `ProbedSeries`, which includes the ``fine`` probe. This requires
            the strength experiment.
    """
    if reads_probe and series != STRENGTH:
        raise ValueError(
            f"The study '{name}' cannot read a probe, because it does not read the '{STRENGTH}' experiment."
        )

    def define(compute: Compute) -> Study:
        STUDIES.append(Study(name, code_version, series, is_optional, reads_probe, compute))
        return STUDIES[-1]

    return define


def study_step(model: str, name: str) -> str:
    return layout.study_path(model, name).removesuffix(layout.PARQUET)


def studied_models(work: Work, study: Study) -> list[str]:
    return work.studied(MAIN if study.is_optional else study.series)


def compute_studies(work: Work, model: str, names: Sequence[str] = ()) -> None:
    """Compute studies of a model. They share the embeddings and intermediate results, which stay in memory.

    Args:
        names: names of the studies, by default all.
    """
    main = cache(lambda: StudiedModel(**model_inputs(work, model)))

    @cache
    def data_of(series: str, reads_probe: bool) -> StudiedModel | SeriesData:
        if series == MAIN:
            return main()
        if model not in work.embedded(series):
            return SeriesData.without_samples(main())
        inputs = main(), work.run.read_table(layout.series_table(series)), lazy_blocks(work.run, model, series)
        return ProbedSeries(*inputs, read_probe(work.run, model, FINE)) if reads_probe else SeriesData(*inputs)

    for each in STUDIES:
        if model in studied_models(work, each) and (not names or each.name in names):
            _compute_study(work, model, each, data_of)


def _compute_study(work: Work, model: str, study: Study, data_of: Callable[[str, bool], Any]) -> None:
    def compute() -> Mapping[str, Content]:
        return {layout.study_path(model, study.name): study.compute(data_of(study.series, study.reads_probe))}

    inputs = {
        "code_version": study.code_version,
        "studies": [STUDY_IMAGES, FIT_IMAGES, list(PENALTIES)],
        "ranges": [[t.name, t.weakest, t.strongest, t.distribution, t.neutral] for t in work.transforms],
        **work.learned(model),
        **(work.embeddings_of(model, study.series) if study.series != MAIN else {}),
        **(work.run.keys(train_step(model, FINE)) if study.reads_probe else {}),
    }
    step, message = study_step(model, study.name), f"Computing the {study.name} study for {model}"
    work.step(EVALUATE, step, inputs, message, compute, model)


def join_studies(work: Work, names: Sequence[str] = ()) -> None:
    """Concatenate the rows of all models, for each study in ``names`` (by default for all studies)."""
    for each in [study for study in STUDIES if not names or study.name in names]:
        models = studied_models(work, each)
        sources = {study_step(model, each.name): [layout.study_path(model, each.name)] for model in models}
        join(work, layout.table_path(each.name), sources)


@study("duplicates", code_version=8, series=FRAMING, is_optional=True)
def duplicates(data: SeriesData) -> pd.DataFrame:
    """Compute the recall of transformed, cropped, mirrored and resized copies at several similarity thresholds."""
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


@study("strength", code_version=6, series=STRENGTH, reads_probe=True)
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
