"""Probes of a run, and what makes probabilities of their scores."""

from __future__ import annotations

from collections.abc import Mapping

from probing_core.compute.live import Noticing, noticing_of
from probing_core.compute.names import DEPLOYMENT, DETECTOR, NOTICING
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


def read_noticing(store: Files, model: str) -> Mapping[str, Noticing]:
    """Return how probable the scores of ``model`` make it that a picture was altered: kind of a picture -> numbers.

    They are fitted on the photographs of ``--calibrate-on``, where the run has enough scores of them, and else those of
    training. With neither, every answer is the prior.
    """
    fitted = read_fitted_noticing(store, model)
    found = {} if fitted is None else {"direct": fitted}
    return found | (noticing_of(store.read_table(scored_views_path(model))) if has_scored_views(store, model) else {})


def read_fitted_noticing(store: Files, model: str) -> Noticing | None:
    """Return the numbers that were fitted in training, by which the answers in the table of predictions were made; None
    where the run has not kept them (a second training of the zoo, as the reference run ships it)."""
    name = probe_path(model, NOTICING)
    return Noticing.from_bytes(store.read_bytes(name)) if store.has(name) else None


def has_scored_views(store: Files, model: str) -> bool:
    """Return whether scored views of ``model``, or of the detector, are there, which its probe that is there made.

    Those of another probe would calibrate it wrongly: they are left where a run was stopped before it made its own, or
    stands on a run with another probe. Where the manifest does not say which probe made them, they are taken for its.
    """
    path = scored_views_path(model)
    if not store.has(path):
        return False
    maker = DETECTOR_FILE if model == DETECTOR else probe_path(model, DEPLOYMENT)
    inputs = (store.entry(path) or {}).get("inputs", {})
    entry = store.entry(maker)
    return maker not in inputs or (entry is not None and short_checksum(entry) == inputs[maker])
