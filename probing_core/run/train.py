"""The ``train`` stage: probes for every task, and their predictions for the test samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probing_core.compute.evaluation.claims import GROUP_TASKS
from probing_core.compute.sampling.probe_tasks import CONTENT
from probing_core.compute.task_names import FINE, MAIN, OTHER_PROBES, RENDERING
from probing_core.compute.training.model_samples import ModelSamples, most_to_learn
from probing_core.compute.training.other_probes import train_others
from probing_core.compute.training.probe_training import Trained, train_content, train_linear
from probing_core.run import layout
from probing_core.run.directory import Content
from probing_core.run.models import lazy_embeddings, read_embeddings
from probing_core.run.options import TRAIN
from probing_core.run.work import Work

CODE_VERSION = 9
"""Code version of the steps that train linear probes."""

OTHER_PROBES_VERSION = 10
"""Code version of the step that trains MLPs and k-NN probes."""


def train_step(model: str, task: str) -> str:
    """Return the step that trains probes on a model for one task and computes their predictions."""
    return f"{layout.model_folder(model)}{task}"


TASKS = (FINE, *GROUP_TASKS, CONTENT)
"""Tasks of linear probes that a run can include, in order."""


def tasks_of(work: Work, tasks: Sequence[str] = (*TASKS, OTHER_PROBES)) -> list[str]:
    """Return those of ``tasks`` for which probes can be trained in a run."""
    possible = {*work.tasks, *([OTHER_PROBES] if work.has_splits else [])}
    return [task for task in tasks if task in possible]


def train(
    work: Work,
    model: str,
    tasks: Sequence[str] = (*TASKS, OTHER_PROBES),
    *,
    live: bool = True,
    oracles: bool = True,
) -> None:
    """Train the probes of one model.

    Args:
        tasks: tasks for which probes are trained, if the run has them.
        live: whether to also train the ``deployment`` probe for new images.
        oracles: whether to also train content probes on images with each transformation.
    """
    for task in tasks_of(work, tasks):
        _train_task(work, model, task, live and task == FINE, oracles and task == CONTENT)


def _train_task(work: Work, model: str, task: str, live: bool, oracles: bool) -> None:
    def compute() -> Mapping[str, Content]:
        data = model_samples(work, model, with_renderings=live)
        if task == OTHER_PROBES:
            trained = train_others(data)
        elif task == CONTENT:
            trained = train_content(data, oracles)
        else:
            trained = train_linear(data, task, live)
        return _by_path(model, task, trained)

    max_samples = most_to_learn(work.models[model]["dim"])
    inputs = {
        "code_version": OTHER_PROBES_VERSION if task == OTHER_PROBES else CODE_VERSION,
        "train_samples": max_samples if max_samples < len(work.sample_sets[MAIN]) else None,
        "live": live,
        "oracles": oracles,
        **work.learned(model),
        **(work.embeddings_of(model, RENDERING) if live else {}),
    }
    work.step(TRAIN, train_step(model, task), inputs, f"Training probes on {model}", compute, model)


def model_inputs(work: Work, model: str) -> dict[str, Any]:
    """Return arguments of `ModelSamples` for training, for the quick protocol and for studies."""
    return {
        "model": model,
        "X": lazy_embeddings(work.run, model),
        "samples": work.run.table(layout.SAMPLES),
        "images": work.images,
        "transforms": work.transforms,
        "seed": work.recipe.seed,
    }


def model_samples(work: Work, model: str, with_renderings: bool) -> ModelSamples:
    """Return the samples and embeddings for training probes on a model."""
    rendered = None
    if with_renderings and model in work.embedded(RENDERING):
        columns = work.run.read_table(layout.series_table(RENDERING), ["transform", "split", "base_id"])
        rendered = columns, read_embeddings(work.run, model, series=RENDERING)
    inputs = model_inputs(work, model)
    return ModelSamples(**inputs, train_samples=most_to_learn(inputs["X"].shape[1]), rendered=rendered)


def _by_path(model: str, task: str, trained: Trained) -> Mapping[str, Content]:
    content: dict[str, Content] = {layout.probe_path(model, name): probe for name, probe in trained.probes.items()}
    content |= {layout.predictions_path(model, name): table for name, table in trained.predictions.items()}
    return content | {layout.fits_path(model, task): trained.fits}
