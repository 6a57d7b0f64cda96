"""Functions that return the partition keys of assets."""

from __future__ import annotations

from collections.abc import Sequence

from probing_core.run.assets import UNPARTITIONED, PartitionKey
from probing_core.run.snapshot import RunSnapshot


def loaded_models(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return a partition key for each loaded model."""
    return [{"model": name} for name in run.models]


def embedded_models(run: RunSnapshot, series: str = "") -> Sequence[PartitionKey]:
    """Return a partition key for each model that embeds the samples of an experiment, by default the main samples."""
    return [{"model": name} for name in run.models if run.covers(name, series)]


def once_if_embedded(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return one partition key if any model embeds the main samples, and none otherwise."""
    return UNPARTITIONED if embedded_models(run) else ()
