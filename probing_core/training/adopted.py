"""Probes of another run, used as they are: nothing is learned, every image is tested."""

from __future__ import annotations

from typing import Any

import numpy as np

from probing_core.embedded import model_entries
from probing_core.errors import BadRun
from probing_core.measures.calibration import at_temperature
from probing_core.store import Store
from probing_core.tasks import Task
from probing_core.training.files import (
    CALIBRATED,
    DEPLOYMENT,
    FAMILIARITY,
    LOOK_RULE,
    Work,
    kept,
    predictions_path,
    probe_path,
    read_probe,
    save_fits,
    told,
)

HARMLESS = ("precision", "float32_modules", "device", "libraries")
"""Entries of a model's recipe that move its embeddings by rounding alone."""


def adopt(work: Work, source: Store, name: str, key: str) -> None:
    """Copies the probes of ``source`` for the task ``name`` and predicts with them.

    Raises:
        BadRun: the other run lacks the model or a class, or the model embeds differently there.
    """
    harmless = refuse_stranger(work.entry, source)
    for file in (name, CALIBRATED, DEPLOYMENT, LOOK_RULE, FAMILIARITY):
        if source.has(probe_path(work.model, file)):
            work.store.adopt(probe_path(work.model, file), source, key)
    probe = read_probe(work.store, work.model, name)
    task = work.task(name)
    missing = sorted(set(task.classes) - set(probe.classes))
    if missing:
        raise BadRun(f"The run that the probes are taken from never learned: {', '.join(missing)}.")
    position = np.array([probe.classes.index(cls) for cls in task.classes])
    adopted = Task(name, probe.classes, np.where(task.takes_part, position[task.truth], -1), task.seen)
    rows = np.flatnonzero(adopted.takes_part)
    probabilities = probe.probabilities(work.X[rows])
    further = {}
    # Runs of few photographs, and those of before, have one temperature for both.
    tempered = CALIBRATED if work.store.has(probe_path(work.model, CALIBRATED)) else DEPLOYMENT
    if name == "fine" and work.store.has(probe_path(work.model, tempered)):
        temperature = read_probe(work.store, work.model, tempered).temperature
        further["p_calibrated"] = kept(at_temperature(probabilities, temperature).max(1))
    note = f"probes trained on embeddings of another {' and '.join(harmless)}" if harmless else ""
    save_fits(work, name, [("adopted", probe.facts)], key, note=note)
    # Last, so that a kill before it leaves the task to be done again.
    table = told(work, adopted, rows, probabilities, further)
    work.store.write_table(predictions_path(work.model, name), table, key)


def refuse_stranger(entry: dict[str, Any], source: Store) -> list[str]:
    """Raises `BadRun` unless the model of ``entry`` (its ``model.toml``) embeds as it did in the run ``source``.

    Returns:
        In what its recipe there differs by rounding alone.
    """
    theirs = next((e for e in model_entries(source) if e["name"] == entry["name"]), None)
    if theirs is None:
        has = ", ".join(e["name"] for e in model_entries(source))
        raise BadRun(f"The run that the probes are taken from has no '{entry['name']}'; it has: {has}.")
    meant, harmless = differences(theirs["recipe"], entry["recipe"])
    if meant:
        raise BadRun(
            f"'{entry['name']}' embeds differently here and in the run that the probes are taken from "
            f"({', '.join(meant)} differ), so its probes mean nothing here."
        )
    return harmless


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Entries in which two recipes of a model differ: those that change what an embedding means, and the others.

    Entries that only one of them has do not count: another version of the project records other things. Nor does the
    size of a batch, which moves the last bits alone.
    """
    both = theirs.keys() & ours.keys() - {"batch_size"}
    found = sorted(k for k in both if theirs[k] != ours[k])
    return [k for k in found if k not in HARMLESS], [k for k in found if k in HARMLESS]
