"""Probes of a run, and the scores that calibrate verdicts by them."""

from __future__ import annotations

from probing_core.compute.live.answer import LiveProbe
from probing_core.compute.live.fusion import FusionRule
from probing_core.compute.live.novelty import Novelty
from probing_core.compute.names import DEPLOYMENT, DETECTOR, FUSION, NOVELTY
from probing_core.errors import BadRun
from probing_core.probes.base import LinearProbe
from probing_core.run.layout import DETECTOR_FILE, probe_path, scored_views_path
from probing_core.run.manifest import short_checksum
from probing_core.run.store import Files


def read_probe(store: Files, model: str, task: str) -> LinearProbe:
    """Return a linear probe of a run.

    Raises:
        BadRun: it has none.
    """
    name = probe_path(model, task)
    if not store.has(name):
        raise BadRun(f"The run has no '{task}' probe of '{model}'; `probing run --out DIR` makes it.")
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


def has_scored_views(store: Files, model: str) -> bool:
    """Return whether scored views of ``model``, or of the detector, are there, which its probe that is there made.

    Those of another probe would calibrate it wrongly: they lie there where a run was stopped before it made its own, or
    stands on a run with another probe. Where the manifest does not say which probe made them, they are taken for its.
    """
    path = scored_views_path(model)
    if not store.has(path):
        return False
    makers = (DETECTOR_FILE,) if model == DETECTOR else (probe_path(model, DEPLOYMENT), probe_path(model, FUSION))
    inputs = (store.entry(path) or {}).get("inputs", {})
    return all(_checksum(store, maker) == inputs[maker] for maker in makers if maker in inputs)


def _checksum(store: Files, path: str) -> str | None:
    """Return the checksum of a file as inputs hold it; None of what is missing."""
    entry = store.entry(path)
    return None if entry is None else short_checksum(entry)
