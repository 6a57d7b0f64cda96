"""Tasks x models -> probes, and their predictions of images that they never learned from.

With 30 photographs or more, probes learn from the train split, choose their penalty on the val split and predict the
test split. With fewer, photographs are divided into groups, and each is predicted by a probe that learned from the
others (`probing_core.runs.folds`). Live predictions come from the deployment probe, which learns all transforms from
all photographs of the training splits. A run that takes its probes from another learns nothing and tests every image
that they do not know. Corpora with splits and labels also have the content task, and probes of other kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from probing_core.pipeline.train.comparison import train_others
from probing_core.pipeline.train.content import train_content
from probing_core.pipeline.train.linear import train_linear
from probing_core.pipeline.train.reuse import adopt, adopted_files
from probing_core.pipeline.train.tables import task_key
from probing_core.prediction.training import has_crops
from probing_core.runs import layout
from probing_core.runs.layout import (
    CROPS,
    DEPLOYMENT,
    FUSION,
    NOVELTY,
    OTHER_PROBES,
    RENDERING,
    crops_path,
    embeddings_folder,
    fits_path,
    predictions_path,
    probe_path,
    series_table,
)
from probing_core.runs.model_samples import ModelSamples, most_to_learn
from probing_core.runs.models import model_entries
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import has_splits, load_transforms
from probing_core.runs.store import Store, digest
from probing_core.runs.tasks import CONTENT, task_names
from probing_core.transforms.base import Transform

__all__ = ["task_key", "train"]


def train(store: Store, recipe: Recipe, progress: Progress, source: Store | None = None) -> None:
    """Makes whatever is missing of every model's probes and predictions.

    Args:
        source: the run whose probes are used, where the recipe names one.
    """
    samples, images = store.read_table(layout.SAMPLES), store.read_table(layout.IMAGES)
    transforms = load_transforms(recipe)
    entries = model_entries(store)
    steps = _steps(transforms, images, source)
    for done, entry in enumerate(entries):
        data = ModelSamples(store, recipe, entry, samples, images, transforms)
        for i, (name, step) in enumerate(steps.items()):
            progress.update(
                "train", done * len(steps) + i, len(entries) * len(steps), f"Training probes of {data.model}"
            )
            key = _key(data, name, source)
            if not _made(data, name, source, key):
                step(data, key=key)
    progress.update("train", len(entries) * len(steps), len(entries) * len(steps), "Training probes")


def _made(data: ModelSamples, name: str, source: Store | None, key: str) -> bool:
    """Whether a step has been done and nothing that it wrote has been lost since."""
    needed = [predictions_path(data.model, name), fits_path(data.model, name)]
    if source is not None:
        needed += adopted_files(data.model, source, name)
    elif name != OTHER_PROBES:
        live = [DEPLOYMENT, NOVELTY, *([FUSION] if has_crops(data) else [])] if name == "fine" else []
        needed += [probe_path(data.model, file) for file in (name, *live)]
    return all(data.store.has(file, key) for file in needed)


def _key(data: ModelSamples, name: str, source: Store | None) -> str:
    """Of one step; what live predictions learn beside the main samples belongs to ``fine``."""
    key, store = task_key(data.recipe, data.entry, name), data.store
    if data.recipe.train_samples is None and len(data.samples) > (most := most_to_learn(data)):
        key = digest([key, most])  # of this machine's memory
    if source is not None:
        return digest([key, [source.checksum(file) for file in adopted_files(data.model, source, name)]])
    if name != "fine":
        return key
    renderings = store.names(embeddings_folder(data.model, RENDERING))
    further = [CROPS, crops_path(data.model), series_table(RENDERING), *renderings]
    return digest([key, [store.checksum(file) for file in further if store.has(file)]])


def _steps(
    transforms: tuple[Transform, ...], images: pd.DataFrame, source: Store | None
) -> dict[str, Callable[..., None]]:
    """What is trained of every model, by the name of its predictions."""
    if source is not None:
        return {name: partial(adopt, source=source, name=name) for name in task_names(transforms)}
    steps: dict[str, Callable[..., None]] = {name: partial(train_linear, name=name) for name in task_names(transforms)}
    if CONTENT in task_names(transforms, images):
        steps[CONTENT] = train_content
    return steps | ({OTHER_PROBES: train_others} if has_splits(images) else {})
