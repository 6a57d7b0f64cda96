"""Probes of a run."""

from __future__ import annotations

from probing_core.compute.live.answer import LiveProbe
from probing_core.compute.live.fusion import FusionRule
from probing_core.compute.live.novelty import Novelty
from probing_core.compute.names import DEPLOYMENT, FUSION, NOVELTY
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


def read_live_probe(store: Files, model: str, with_novelty: bool = True) -> LiveProbe:
    """Return probe, fusion and, where it is asked for, novelty of the live predictions of ``model``.

    Raises:
        BadRun: the run has no probe for these.
    """
    fusion, novelty = probe_path(model, FUSION), probe_path(model, NOVELTY)
    return LiveProbe(
        read_probe(store, model, DEPLOYMENT),
        FusionRule.from_bytes(store.read_bytes(fusion)) if store.has(fusion) else None,
        Novelty.from_bytes(store.read_bytes(novelty)) if with_novelty and store.has(novelty) else None,
    )
