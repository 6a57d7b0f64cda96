"""The ``evaluate`` stage: scores, claim tests, and tables that combine all models.

`probing_core.run.studies` defines the studies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from probing_core.compute.evaluation.claims import GROUP_TASKS, claim_tables, model_results, models_of_claims
from probing_core.compute.evaluation.score_rows import (
    SCORED_COLUMNS,
    SCORING_FACTS,
    TASK_OF,
    UNSCORED_BY_OBJECTIVE,
    score_rows,
)
from probing_core.compute.sampling.probe_tasks import CONTENT, classes_of
from probing_core.compute.task_names import FINE, ORACLE, OTHER_PROBES
from probing_core.compute.training.model_samples import ModelSamples
from probing_core.compute.training.quick_protocol import quick_table
from probing_core.run import layout
from probing_core.run.asset_options import CLAIMS, CLASSES, MEASURES, MODELS, SEED, UNSCORED, transforms_of
from probing_core.run.assets import UNPARTITIONED, Context, InputFiles, PartitionKey, Stage
from probing_core.run.columns import SampleTable
from probing_core.run.embed import embeddings, images, samples
from probing_core.run.layout import ANY_MODEL, ANY_TASK, fits_path, predictions_path, probe_path
from probing_core.run.options import EVALUATE
from probing_core.run.partitions import embedded_models, once_if_embedded
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Content, Files
from probing_core.run.train import content, fine, group, model_inputs, models_with_splits, other_probes
from probing_core.transforms import FAR_CONTROL

stage = Stage(EVALUATE)

TASKS = (FINE, *GROUP_TASKS, CONTENT)
"""Probe tasks that a run can include, in order."""

FIT_OUTPUTS = (
    fine.output(fits_path(ANY_MODEL, FINE)),
    group.output(fits_path(ANY_MODEL, ANY_TASK)),
    content.output(fits_path(ANY_MODEL, CONTENT)),
    other_probes.output(fits_path(ANY_MODEL, OTHER_PROBES)),
)
"""Paths of the fit tables of all tasks, for use as dependencies."""


@stage.asset(
    layout.scores_path(ANY_MODEL),
    partitions=embedded_models,
    dependencies=(
        *(samples, images, fine, group, content, content.output(predictions_path(ANY_MODEL, ORACLE)), other_probes),
        *FIT_OUTPUTS,
        *(fine.output(probe_path(ANY_MODEL, FINE)), group.output(probe_path(ANY_MODEL, ANY_TASK))),
    ),
    options=(CLASSES, MEASURES, UNSCORED),
    code_version=8,
    message="Scoring {model}",
)
def model_scores(files: InputFiles, context: Context) -> pd.DataFrame:
    """Compute all scores of a model from its predictions."""
    model, transforms = context.model, transforms_of(context)
    paths = {name: predictions_path(model, name) for name in (*TASKS, ORACLE, OTHER_PROBES)}
    names = [name for name, path in paths.items() if files.has(path)]

    tasks = dict.fromkeys(TASK_OF.get(name, name) for name in names)
    classes = {task: classes_of(task, transforms, files.table(layout.IMAGES)) for task in tasks}

    far = {t.name for t in transforms if t.far}
    sample_table, rows = SampleTable(files), []
    for name in names:  # one table at a time, to save memory
        predictions = sample_table.joined(paths[name], SCORED_COLUMNS, SCORING_FACTS, once=False)
        fits = files.read_table(fits_path(model, CONTENT if name == ORACLE else name))
        rows += score_rows(model, name, predictions, fits, classes, far, context.options["unscored"])
    return pd.DataFrame(rows)


def concatenated(files: Files, paths: Iterable[str]) -> pd.DataFrame:
    """Concatenate the rows of those tables in ``paths`` that exist."""
    return pd.concat([files.read_table(path) for path in paths if files.has(path)], ignore_index=True)


def join(files: InputFiles, context: Context) -> pd.DataFrame:
    """Concatenate the rows of all models."""
    return concatenated(files, files.paths)


JOINING = "Joining tables"


@stage.asset(
    layout.SCORES, partitions=once_if_embedded, dependencies=(model_scores,), options=(MODELS,), message=JOINING
)
def scores(files: InputFiles, context: Context) -> pd.DataFrame:
    """Concatenate the scores of all models."""
    return join(files, context)


@stage.asset(layout.FITS, partitions=once_if_embedded, dependencies=FIT_OUTPUTS, options=(MODELS,), message=JOINING)
def fits(files: InputFiles, context: Context) -> pd.DataFrame:
    """Concatenate the fits of all models. The table has one row for each fitted probe."""
    names = (*TASKS, OTHER_PROBES)
    return concatenated(files, (fits_path(model, name) for model in context.options["models"] for name in names))


def _quick_models(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return a partition key for each model that the quick protocol evaluates.

    Models that were trained on some of the classes are excluded.
    """
    keys = models_with_splits(run)
    return [key for key in keys if run.models[key["model"]]["objective"] not in UNSCORED_BY_OBJECTIVE]


@stage.asset(
    layout.quick_path(ANY_MODEL),
    partitions=_quick_models,
    dependencies=(samples, images, embeddings),
    options=(CLASSES, SEED),
    message="Evaluating {model} with the quick protocol",
)
def quick_rows(files: InputFiles, context: Context) -> pd.DataFrame:
    """Count the correct predictions of a model under the quick protocol, by test photograph and transformation."""
    return quick_table(ModelSamples(**model_inputs(files, context)))


def _once_if_split(run: RunSnapshot) -> Sequence[PartitionKey]:
    return UNPARTITIONED if _quick_models(run) else ()


@stage.asset(layout.QUICK, partitions=_once_if_split, dependencies=(quick_rows,), options=(MODELS,), message=JOINING)
def quick(files: InputFiles, context: Context) -> pd.DataFrame:
    """Concatenate the numbers of correct predictions under the quick protocol for all models."""
    return join(files, context)


def _once_if_claimed(run: RunSnapshot) -> Sequence[PartitionKey]:
    return UNPARTITIONED if run.has_splits and models_of_claims(list(run.models)) else ()


@stage.asset(
    layout.CLAIMS,
    also_writes=(layout.ROLES, layout.CONTRASTS, layout.ABLATIONS),
    partitions=_once_if_claimed,
    dependencies=(samples, fine, group, content),
    options=(CLASSES, CLAIMS),
    code_version=11,
    message="Testing claims",
)
def claims(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Test the claims, and compute the tables of roles, contrasts and ablations."""
    models = context.options["claims"]
    far = {t.name for t in transforms_of(context) if t.far} - {FAR_CONTROL}
    sample_table, results = SampleTable(files), {}
    for model in models_of_claims(models):
        paths = {task: predictions_path(model, task) for task in TASKS}
        predictions = {
            task: sample_table.joined(path, ["sample", "truth", "predicted"], ["base_id", "transform"], once=False)
            for task, path in paths.items()
            if files.has(path)
        }
        results[model] = model_results(predictions, far)
    tables = layout.CLAIMS, layout.ROLES, layout.CONTRASTS, layout.ABLATIONS
    return dict(zip(tables, claim_tables(models, results), strict=True))
