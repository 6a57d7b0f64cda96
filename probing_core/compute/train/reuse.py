"""Probes of another run, used as they are: nothing is trained; images that they did not learn from are tested."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined
from probing_core.compute.image_selection import LEARNED
from probing_core.compute.model_samples import ModelSamples, predicted_blocks
from probing_core.compute.names import CALIBRATED, DEPLOYMENT
from probing_core.compute.samples import used_images
from probing_core.compute.tasks import Task
from probing_core.compute.train.tables import Trained, fit_table, prediction_table
from probing_core.errors import BadRun
from probing_core.probes.base import LinearProbe


def adopt(
    data: ModelSamples,
    name: str,
    probes: Mapping[str, bytes | None],
    learned: pd.DataFrame,
    same_corpus: bool,
    note: str = "",
) -> Trained:
    """Return the probes of another run for the task ``name``, and what they predict.

    Photographs of the same corpus that they learned from, or that their penalties were chosen on, are not tested.

    Args:
        probes: name -> file, of the task and, for ``fine``, of live predictions.
        learned: the table of images of the other run.
        same_corpus: whether it is over the same corpus.
        note: what a reader of the scores must know of the embeddings.

    Raises:
        BadRun: the other run never learned a class, or the probes know every photograph.
    """
    read = {
        key: LinearProbe.from_bytes(content) for key in (name, CALIBRATED, DEPLOYMENT) if (content := probes.get(key))
    }
    probe, task = read[name], data.task(name)
    missing = sorted(set(task.classes) - set(probe.classes))
    if missing:
        raise BadRun(
            f"The run that the probes are taken from never learned: {', '.join(missing)}; make a run "
            f"whose --transforms leave them out."
        )
    position = np.array([probe.classes.index(cls) for cls in task.classes])
    adopted = Task(name, probe.classes, np.where(task.takes_part, position[task.truth], -1), task.seen)
    known, of_known = _known_photographs(data, learned, same_corpus)
    rows = np.flatnonzero(adopted.takes_part & ~known)
    if len(rows) == 0:
        raise BadRun(
            "The run that the probes are taken from learned from every photograph of this one, so none is left to "
            "test; take another corpus."
        )
    fits = [("adopted", probe.facts)]
    if DEPLOYMENT in read:
        fits.append((DEPLOYMENT, read[DEPLOYMENT].facts))
    temperature = read[CALIBRATED].temperature if CALIBRATED in read else None
    blocks = predicted_blocks(probe, data.X.at(rows))
    return Trained(
        probes=probes,
        predictions={name: prediction_table(data, adopted, rows, blocks, temperature=temperature)},
        fits=fit_table(data, name, fits, note=joined(note, of_known)),
    )


def _known_photographs(data: ModelSamples, images: pd.DataFrame, same_corpus: bool) -> tuple[np.ndarray, str]:
    """Return (N,) whether the probes know a sample's photograph; and what a reader must know of it.

    Names alone do not make two pictures the same: photographs of another corpus that are called like known ones are
    tested, with a note to the reader.
    """
    known = data.samples["base_id"].isin(used_images(images, *LEARNED)["base_id"]).to_numpy()
    count = data.samples["base_id"][known].nunique()
    if not count:
        return known, ""
    if same_corpus:
        return known, f"{count} photographs that the probes learned from are left out"
    return np.zeros_like(known), f"{count} photographs are called like ones that the probes learned from"
