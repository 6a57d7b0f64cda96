"""Engine that finds and materializes missing and stale assets of a run.

A `Plan` expands the asset graph into the partitions of one run. The cache key of a partition is the digest of its
inputs: the code version, the values of the options, and the checksums or cache keys of its dependencies. A file with a
different cache key is stale, and the inputs recorded in its manifest entry show why (`probing_core.run.why`).

Partitions are materialized in the order of the graph. Long computations are divided into units (`UnitWriter`).
Completed units are preserved if the process is killed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any

import pandas as pd
from cachetools import LRUCache

from probing_core.errors import BadRun, UnknownName
from probing_core.run.assets import (
    Asset,
    AssetGraph,
    Context,
    InputFiles,
    Partition,
    PartitionKey,
    UnitWriter,
    units_in,
)
from probing_core.run.layout import UNITS, slug
from probing_core.run.manifest import LEFT_OUT, NOTHING, Entry, short_checksum
from probing_core.run.store import Content, Store, digest

MAX_TABLES = 3
"""Maximum number of tables that a plan caches in memory."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")


class State(StrEnum):
    """State of a partition.

    ``NOTHING``: the asset has no content. ``LEFT_OUT``: the partition was materialized, but this copy of the run does
    not include it. ``UNAVAILABLE``: the partition cannot be materialized because one of its dependencies was left out.
    """

    MATERIALIZED = "materialized"
    MISSING = "missing"
    STALE = "stale"
    NOTHING = NOTHING
    LEFT_OUT = LEFT_OUT
    UNAVAILABLE = "unavailable"


COMPLETE = (State.MATERIALIZED, State.NOTHING, State.LEFT_OUT)
"""States in which a partition is not recomputed."""


class Plan:
    """The partitions of one run, in the order in which they are materialized.

    Args:
        snapshot: argument for ``Asset.partitions``, ``Asset.shards`` and options. The engine does not use it otherwise.
        resources: objects for asset functions that do not affect the contents of files (`Context.resources`).
    """

    def __init__(self, graph: AssetGraph, snapshot: Any, store: Store, resources: Any = None) -> None:
        self.graph, self.snapshot, self.store, self.resources = graph, snapshot, store, resources
        self.partitions: dict[str, Partition] = {}
        self._tables: LRUCache[tuple[str, str], pd.DataFrame] = LRUCache(MAX_TABLES)
        self._cache: tuple[PartitionKey, dict[Hashable, Any]] = {}, {}
        self._by_output: dict[str, Partition] = {}
        by_template: dict[str, list[Partition]] = {}
        for _, assets in groupby(graph.assets, key=lambda asset: asset.group or asset.path):
            partitions = [partition for asset in assets for partition in self._expand(asset, by_template)]
            order: dict[tuple[tuple[str, str], ...], int] = {}
            partitions.sort(key=lambda partition: order.setdefault(tuple(partition.key.items()), len(order)))
            self.partitions |= {partition.path: partition for partition in partitions}

    def _expand(self, asset: Asset, by_template: dict[str, list[Partition]]) -> Iterator[Partition]:
        for key in asset.partitions(self.snapshot):
            outputs = {template: _filled(template, key) for template in asset.outputs}
            dependencies = (path for template in asset.dependency_paths for path in _paths(template, key, by_template))
            options = {option.name: option.value(self.snapshot, key) for option in asset.options}
            shards = () if asset.shards is None else asset.shards(self.snapshot, key)
            unique = tuple(dict.fromkeys(dependencies))
            partition = Partition(asset, key, outputs[asset.path], outputs, unique, options, shards)
            for template, path in outputs.items():
                self._by_output[path] = partition
                by_template.setdefault(template, []).append(partition)
            yield partition

    def partition(self, path: str) -> Partition:
        """Return the partition that writes ``path``, which may be any file in a folder of embeddings.

        Raises:
            UnknownName: no partition writes ``path``.
        """
        match = self.find(path)
        if match is None:
            raise UnknownName(f"The run has no file '{path}'. docs/run-format.md lists the files of a run.")
        return match

    def find(self, path: str) -> Partition | None:
        return self._by_output.get(path) or self._by_output.get(f"{path.rpartition('/')[0]}/")

    def select(self, *stages: str) -> list[Partition]:
        return [partition for partition in self.partitions.values() if partition.asset.stage in stages]

    def version(self, path: str) -> str | None:
        """Return the checksum or cache key that identifies ``path`` in the inputs of its dependents.

        Returns None if the file, or an input that determines its key, is missing.
        """
        asset = self._by_output[path].asset
        if asset.identified_by_key and asset.stage:
            return self.cache_key(self._by_output[path])
        entry = self.store.entry(path)
        if entry is None:
            return None
        return entry["key"] if asset.identified_by_key else short_checksum(entry)

    def inputs(self, partition: Partition) -> dict[str, Any]:
        """Return the version of each input of ``partition``, by name. The version of a missing input is None."""
        versions: dict[str, Any] = {path: self.version(path) for path in partition.dependencies}
        return versions | {"revision": partition.asset.code_version, "options": dict(partition.options)}

    def cache_key(self, partition: Partition) -> str | None:
        """Return the digest of the inputs of ``partition``, or the stored key if the partition is pinned.

        Returns None if an input is missing.
        """
        if self.is_pinned(partition):
            return next(entry["key"] for entry in self.entries(partition).values() if entry is not None)
        return self._digest(partition)

    def _digest(self, partition: Partition) -> str | None:
        inputs = self.inputs(partition)
        return None if None in inputs.values() else digest([partition.asset.path, inputs])

    def is_outdated(self, partition: Partition) -> bool:
        """Return whether ``partition`` is pinned and would otherwise be stale."""
        return self.is_pinned(partition) and self.cache_key(partition) != self._digest(partition)

    def require_cache_key(self, partition: Partition) -> str:
        key = self.cache_key(partition)
        assert key is not None, f"A dependency of '{partition.path}' is missing."
        return key

    def entries(self, partition: Partition) -> Mapping[str, Entry | None]:
        """Return the manifest entries of the outputs of ``partition``, or of the files in its folder, by path."""
        if partition.is_folder:
            return self.store.entries(partition.path)
        return {path: self.store.entry(path) for path in partition.outputs.values()}

    def state(self, partition: Partition) -> State:
        """Return the state of ``partition``, based on the manifest and file sizes, without reading the files."""
        if not partition.asset.stage:
            return State.MATERIALIZED if self.store.has(partition.path) else State.MISSING
        state = self._state(partition)
        if state not in COMPLETE and any(map(self.is_unavailable, partition.dependencies)):
            return State.UNAVAILABLE
        return state

    def _state(self, partition: Partition) -> State:
        cache_key, existing = self.cache_key(partition), self._existing(partition)
        current = {path: entry for path, entry in existing.items() if entry["key"] == cache_key}
        if _is_complete(partition, current):
            return _state_of(current.values())
        if partition.is_folder:
            return State.STALE if self.entries(partition) else State.MISSING
        return State.STALE if _is_complete(partition, existing) else State.MISSING

    def _existing(self, partition: Partition) -> dict[str, Entry]:
        """Return the manifest entries of outputs whose file exists or is not needed, by path."""
        entries = self.entries(partition).items()
        return {path: entry for path, entry in entries if entry and ("state" in entry or self.store.has(path))}

    def is_pinned(self, partition: Partition) -> bool:
        """Return whether all files of ``partition`` were copied from another run. Pinned partitions are never stale."""
        if self.store.copied_from is None:
            return False
        pinned = {path: entry for path, entry in self._existing(partition).items() if "pinned" in entry}
        return bool(pinned) and _is_complete(partition, pinned)

    def is_unavailable(self, path: str) -> bool:
        """Return whether ``path`` was left out of this copy of the run, or cannot be materialized in it."""
        partition, entry = self._by_output[path], self.store.entry(path)
        if not partition.is_folder and entry is not None:
            return entry.get("state") == LEFT_OUT
        return self.state(partition) in (State.LEFT_OUT, State.UNAVAILABLE)

    def pending(self, partitions: Iterable[Partition]) -> list[Partition]:
        """Return the ``partitions`` that are missing or stale."""
        return [partition for partition in partitions if self.state(partition) in (State.MISSING, State.STALE)]

    def missing_units(self, partition: Partition, count: int) -> list[int]:
        return partition.missing_units(self.store, self.cache_key(partition) or "", count)

    def missing_dependency(self, partition: Partition) -> str:
        """Return the first dependency that prevents the computation of ``partition``, or an empty string.

        Such a dependency is missing, or it is stale and identified by its cache key.
        """
        for path in partition.dependencies:
            producer = self._by_output[path]
            is_pending = producer.asset.identified_by_key and producer.asset.stage and self.pending([producer])
            if self.version(path) is None or is_pending:
                return path
        return ""

    def materialize(
        self, partitions: Sequence[Partition], report: Callable[[Partition], None] = lambda partition: None
    ) -> None:
        """Compute those ``partitions`` that are missing or stale.

        Args:
            report: function that is called with each partition before the partition is computed.

        Raises:
            BadRun: a dependency is missing.
        """
        tried: set[str] = set()
        for position, partition in enumerate(partitions):
            if partition.path in tried or not self.pending([partition]):
                continue
            report(partition)
            if path := self.missing_dependency(partition):
                root = self.store.root
                raise BadRun(
                    f"'{partition.path}' depends on '{path}', which is missing from the run '{root}'.",
                    hint=f"Run `probing run --out {root}` to compute it.",
                )
            compute_units = partition.asset.compute_units
            if compute_units is not None:
                candidates = [
                    candidate for candidate in partitions[position:] if candidate.asset.compute_units is compute_units
                ]
                batch = [candidate for candidate in self.pending(candidates) if not self.missing_dependency(candidate)]
                tried.update(candidate.path for candidate in batch)
                self._compute_in_units(batch, compute_units)
            elif partition.asset.function is not None:
                self._compute(partition)
        self.clean()

    def arguments(self, partition: Partition, units: Sequence[str] = ()) -> tuple[InputFiles, Context]:
        """Return the arguments for computing ``partition`` from its dependencies and unit files (``units``)."""
        if partition.key != self._cache[0]:
            self._cache = partition.key, {}
        options = dict(partition.options)
        for option in partition.asset.options:
            if option.argument is not None:
                options[option.name] = option.argument(self.snapshot, partition.key)
        cache = self._cache[1] if partition.asset.group else {}
        files = InputFiles(self.store, (*partition.dependencies, *units), self._tables)
        return files, Context(partition.key, options, self.resources, cache, units)

    def _compute(self, partition: Partition, units: Sequence[str] = ()) -> None:
        """Compute a partition and write its files. Its dependencies must exist."""
        asset = partition.asset
        assert asset.function is not None
        content = asset.function(*self.arguments(partition, units))
        self.write(partition, content if asset.also_writes else {asset.path: content})

    def write(self, partition: Partition, content: Mapping[str, Content]) -> None:
        """Write the files of ``partition``. The keys of ``content`` are paths with placeholders."""
        unknown = set(content) - set(partition.outputs)
        assert not unknown, f"'{partition.asset.path}' does not write {unknown}"
        key, inputs = self.require_cache_key(partition), self.inputs(partition)
        for template, path in partition.outputs.items():
            self.store.write(path, content.get(template), key, inputs)

    def unit_writer(self, partition: Partition) -> UnitWriter:
        key, inputs = self.require_cache_key(partition), self.inputs(partition)
        return UnitWriter(self.store, partition, key, inputs, *self.arguments(partition))

    def _compute_in_units(
        self, partitions: Sequence[Partition], compute_units: Callable[[Sequence[UnitWriter]], None]
    ) -> None:
        """Compute missing units of all ``partitions`` together, and write the files of partitions with all units."""
        writers = [self.unit_writer(partition) for partition in partitions]
        compute_units(writers)
        for writer in writers:
            if not writer.missing(writer.count):
                self._complete(writer)

    def _complete(self, writer: UnitWriter) -> None:
        partition, units = writer.partition, [writer.partition.unit(i) for i in range(writer.count)]
        if partition.is_folder:
            writer.join_all()
        elif partition.asset.function is not None:
            self._compute(partition, units)
        elif units:
            self.store.join_tables(partition.path, units, writer.cache_key, writer.inputs)
        else:
            self.write(partition, {})
        self.store.remove(*self.store.names(partition.units_folder))

    def clean(self) -> None:
        """Remove leftover units of complete partitions, for example after a process was killed."""
        folders = {f"{path.rpartition('/')[0]}/" for path in self.store.names(UNITS)}
        by_folder = {partition.units_folder: partition for partition in self.partitions.values()}
        for folder in sorted(folders):
            partition = by_folder.get(folder)
            if partition is not None and self.state(partition) in COMPLETE:
                self.store.remove(*self.store.names(folder))


def _filled(template: str, key: PartitionKey) -> str:
    """Fill in the placeholders of ``template``. Model names are converted to folder names."""

    def value(match: re.Match[str]) -> str:
        return slug(key[match[1]]) if match[1] == "model" else key[match[1]]

    return PLACEHOLDER.sub(value, template)


def _paths(template: str, key: PartitionKey, by_template: Mapping[str, list[Partition]]) -> Iterator[str]:
    for partition in by_template.get(template, ()):
        if all(partition.key[name] == value for name, value in key.items() if name in partition.key):
            yield partition.outputs[template]


def _is_complete(partition: Partition, entries: Mapping[str, Entry]) -> bool:
    """Return whether ``entries`` cover all outputs of ``partition``, or all units of its folder."""
    if partition.is_folder:
        return units_in(entries) >= set(range(partition.unit_count))
    return len(entries) == len(partition.outputs)


def _state_of(entries: Iterable[Entry]) -> State:
    """Return the state of a partition whose entries are all current. The first entry belongs to the main file."""
    states = [entry.get("state") for entry in entries]
    if LEFT_OUT in states:
        return State.LEFT_OUT
    if states and states[0] == NOTHING:
        return State.NOTHING
    return State.MATERIALIZED
