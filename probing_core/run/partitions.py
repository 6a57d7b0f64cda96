"""Partitions of assets: one per model, a single partition, or none."""

from __future__ import annotations

from collections.abc import Sequence

from probing_core.run.assets import UNPARTITIONED, PartitionKey
from probing_core.run.snapshot import RunSnapshot


def loaded_models(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return one partition for each model that was loaded."""
    return [{"model": name} for name in run.models]


def embedded_models(run: RunSnapshot, series: str = "") -> Sequence[PartitionKey]:
    """Return one partition for each model that embeds the samples of a series, by default the main samples."""
    return [{"model": name} for name in run.models if run.covers(name, series)]


def once_if_embedded(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return one partition if any model embeds the samples, otherwise none."""
    return UNPARTITIONED if embedded_models(run) else ()
