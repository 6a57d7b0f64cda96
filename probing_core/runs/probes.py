"""Probes of a run."""

from __future__ import annotations

from probing_core.errors import BadRun
from probing_core.probes.base import LinearProbe
from probing_core.runs.layout import probe_path
from probing_core.runs.store import Files


def read_probe(store: Files, model: str, task: str) -> LinearProbe:
    """Return a linear probe of a run.

    Raises:
        BadRun: it has none.
    """
    name = probe_path(model, task)
    if not store.has(name):
        raise BadRun(f"The run has no '{task}' probe of '{model}'; `probing train --run DIR` makes it.")
    return LinearProbe.from_bytes(store.read_bytes(name))
