"""Probes of another run, used as they are: nothing is trained; images that they did not learn from are tested."""

from __future__ import annotations

import numpy as np

from probing_core.errors import BadRun
from probing_core.pipeline.caveats import joined
from probing_core.pipeline.train.tables import prediction_table, save_fits
from probing_core.runs import layout
from probing_core.runs.image_selection import LEARNED
from probing_core.runs.layout import CALIBRATED, DEPLOYMENT, FUSION, NOVELTY, predictions_path, probe_path
from probing_core.runs.model_samples import ModelSamples, predicted_blocks, read_probe
from probing_core.runs.models import require_same_model
from probing_core.runs.recipe import read_recipe
from probing_core.runs.samples import used_images
from probing_core.runs.store import Store
from probing_core.runs.tasks import Task

LIVE = (CALIBRATED, DEPLOYMENT, FUSION, NOVELTY)
"""Files that are taken over with the probe of the task ``fine``."""


def adopt(data: ModelSamples, source: Store, name: str, key: str) -> None:
    """Copies the probes of ``source`` for the task ``name`` and predicts with them.

    Photographs of the same corpus that they learned from, or that their penalties were chosen on, are not tested.

    Raises:
        BadRun: the other run lacks the model or a class, the model embeds differently there, or the probes know every
            photograph.
    """
    rounding = require_same_model(data.entry, source)
    for path in _paths(data.model, name):
        if source.has(path):
            data.store.adopt(path, source, key)
        elif data.store.has(path):
            data.store.remove(path)  # of an earlier state of the other run
    probe = read_probe(data.store, data.model, name)
    task = data.task(name)
    missing = sorted(set(task.classes) - set(probe.classes))
    if missing:
        raise BadRun(
            f"The run that the probes are taken from never learned: {', '.join(missing)}; make a run "
            f"whose --transforms leave them out."
        )
    position = np.array([probe.classes.index(cls) for cls in task.classes])
    adopted = Task(name, probe.classes, np.where(task.takes_part, position[task.truth], -1), task.seen)
    known, of_known = _known_photographs(data, source)
    rows = np.flatnonzero(adopted.takes_part & ~known)
    if len(rows) == 0:
        raise BadRun(
            "The run that the probes are taken from learned from every photograph of this one, so none is left to "
            "test; take another corpus."
        )
    temperature = None
    if name == "fine" and data.store.has(probe_path(data.model, CALIBRATED)):
        temperature = read_probe(data.store, data.model, CALIBRATED).temperature
    fits = [("adopted", probe.facts)]
    if name == "fine" and data.store.has(probe_path(data.model, DEPLOYMENT)):
        fits.append((DEPLOYMENT, read_probe(data.store, data.model, DEPLOYMENT).facts))
    about = f"probes trained on embeddings of another {' and '.join(rounding)}" if rounding else ""
    save_fits(data, name, fits, key, note=joined(about, of_known))
    # Last, so that a kill before it leaves the task to be done again.
    blocks = predicted_blocks(probe, data.X.at(rows))
    table = prediction_table(data, adopted, rows, blocks, temperature=temperature)
    data.store.write_table(predictions_path(data.model, name), table, key)


def adopted_files(model: str, source: Store, name: str) -> list[str]:
    """Files of ``source`` that `adopt` copies."""
    return [path for path in _paths(model, name) if source.has(path)]


def _paths(model: str, name: str) -> list[str]:
    return [probe_path(model, file) for file in (name, *(LIVE if name == "fine" else ()))]


def _known_photographs(data: ModelSamples, source: Store) -> tuple[np.ndarray, str]:
    """(N,) whether the probes know a sample's photograph; and what a reader must know of it.

    Names alone do not make two pictures the same: photographs of another corpus that are called like known ones are
    tested, with a note to the reader.
    """
    images = source.read_table(layout.IMAGES)
    known = data.samples["base_id"].isin(used_images(images, *LEARNED)["base_id"]).to_numpy()
    count = data.samples["base_id"][known].nunique()
    if not count:
        return known, ""
    theirs = read_recipe(source)
    if theirs.fingerprint == data.recipe.fingerprint:
        return known, f"{count} photographs that the probes learned from are left out"
    return np.zeros_like(known), f"{count} photographs are called like ones that the probes learned from"
