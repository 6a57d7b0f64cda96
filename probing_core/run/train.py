"""The ``train`` stage: probes for every task, and their predictions for the test samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probing_core.compute.evaluation.claims import GROUP_TASKS
from probing_core.compute.sampling.probe_tasks import CONTENT
from probing_core.compute.task_names import CALIBRATED, DEPLOYMENT, FINE, NOTICING, ORACLE, OTHER_PROBES, RENDERING
from probing_core.compute.training.model_samples import ModelSamples, most_to_learn
from probing_core.compute.training.probe_training import Trained, train_content, train_linear, train_others
from probing_core.run import layout
from probing_core.run.asset_options import CLASSES, SEED, TRAIN_SAMPLES, transforms_of
from probing_core.run.assets import Context, InputFiles, PartitionKey, Stage
from probing_core.run.embed import embeddings, images, rendering_embeddings, rendering_samples, samples
from probing_core.run.layout import ANY_MODEL, ANY_TASK, fits_path, predictions_path, probe_path
from probing_core.run.models import has_embeddings, lazy_embeddings, read_embeddings
from probing_core.run.options import TRAIN
from probing_core.run.partitions import embedded_models
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Content

stage = Stage(TRAIN)

LEARNING = (CLASSES, SEED, TRAIN_SAMPLES)
CODE_VERSION = 9
"""Code version of all assets in this module."""

MESSAGE = "Training probes on {model}"


def model_inputs(files: InputFiles, context: Context) -> dict[str, Any]:
    """Return arguments of `ModelSamples` for training, for the quick protocol and for studies."""
    return {
        "model": context.model,
        "X": lazy_embeddings(files, context.model),
        "samples": files.table(layout.SAMPLES),
        "images": files.table(layout.IMAGES),
        "transforms": transforms_of(context),
        "seed": context.options["seed"],
    }


def model_samples(files: InputFiles, context: Context) -> ModelSamples:
    """Return the samples and embeddings for training probes on a model."""
    rendered = None
    if has_embeddings(files, context.model, RENDERING):
        columns = files.read_table(layout.series_table(RENDERING), ["transform", "split", "base_id"])
        rendered = columns, read_embeddings(files, context.model, series=RENDERING)
    inputs = model_inputs(files, context)
    return ModelSamples(**inputs, train_samples=most_to_learn(inputs["X"].shape[1]), rendered=rendered)


def _by_path(trained: Trained, name: str, template: str = "") -> dict[str, Content]:
    """Return the probes, predictions and fits by path.

    Args:
        template: placeholder that replaces the task ``name`` in paths. By default, the name is not replaced.
    """

    def in_path(task: str) -> str:
        return template if template and task == name else task

    content: dict[str, Content] = {probe_path(ANY_MODEL, in_path(task)): x for task, x in trained.probes.items()}
    content |= {predictions_path(ANY_MODEL, in_path(task)): table for task, table in trained.predictions.items()}
    return content | {fits_path(ANY_MODEL, in_path(name)): trained.fits}


@stage.asset(
    predictions_path(ANY_MODEL, FINE),
    also_writes=(
        fits_path(ANY_MODEL, FINE),
        *(probe_path(ANY_MODEL, name) for name in (FINE, CALIBRATED, DEPLOYMENT, NOTICING)),
    ),
    partitions=embedded_models,
    dependencies=(samples, images, embeddings, rendering_samples, rendering_embeddings),
    options=LEARNING,
    code_version=CODE_VERSION,
    message=MESSAGE,
)
def fine(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Train the `fine` probe, which predicts the transformation, and the `deployment` probe for new images."""
    return _by_path(train_linear(model_samples(files, context), FINE), FINE)


def fine_alone(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Train the `fine` probe, but not the `deployment` probe for new images."""
    return _by_path(train_linear(model_samples(files, context), FINE, live=False), FINE)


def _group_tasks(run: RunSnapshot) -> Sequence[PartitionKey]:
    return [{**key, "task": task} for key in embedded_models(run) for task in run.tasks if task in GROUP_TASKS]


@stage.asset(
    predictions_path(ANY_MODEL, ANY_TASK),
    also_writes=(fits_path(ANY_MODEL, ANY_TASK), probe_path(ANY_MODEL, ANY_TASK)),
    partitions=_group_tasks,
    dependencies=(samples, images, embeddings),
    options=LEARNING,
    code_version=CODE_VERSION,
    message=MESSAGE,
)
def group(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Train a probe that predicts the group of the transformation, with some transformations held out."""
    task = context.key["task"]
    return _by_path(train_linear(model_samples(files, context), task), task, ANY_TASK)


def _models_with_content(run: RunSnapshot) -> Sequence[PartitionKey]:
    return [key for key in embedded_models(run) if CONTENT in run.tasks]


@stage.asset(
    predictions_path(ANY_MODEL, CONTENT),
    also_writes=(fits_path(ANY_MODEL, CONTENT), predictions_path(ANY_MODEL, ORACLE), probe_path(ANY_MODEL, CONTENT)),
    partitions=_models_with_content,
    dependencies=(samples, images, embeddings),
    options=LEARNING,
    code_version=CODE_VERSION,
    message=MESSAGE,
)
def content(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Train a content probe on clean images and, as oracles, a content probe on images with each transformation."""
    return _by_path(train_content(model_samples(files, context)), CONTENT)


def content_without_oracles(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Train a content probe on clean images, but no oracles."""
    return _by_path(train_content(model_samples(files, context), oracles=False), CONTENT)


def models_with_splits(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return a partition key for each embedded model if the run has splits, and none otherwise."""
    return [key for key in embedded_models(run) if run.has_splits]


@stage.asset(
    predictions_path(ANY_MODEL, OTHER_PROBES),
    also_writes=(fits_path(ANY_MODEL, OTHER_PROBES),),
    partitions=models_with_splits,
    dependencies=(samples, images, embeddings),
    options=LEARNING,
    code_version=CODE_VERSION,
    message=MESSAGE,
)
def other_probes(files: InputFiles, context: Context) -> Mapping[str, Content]:
    """Train MLP probes and k-NN probes that predict the transformation."""
    return _by_path(train_others(model_samples(files, context)), OTHER_PROBES)
