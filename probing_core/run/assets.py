"""The files that a run can contain: each is an asset, defined by the function that computes it.

`Stage.asset` decorates a function and states the path of the file, the models or tasks for which there is such a file
(its partitions), the files that the function reads (its dependencies), the options that it depends on and its code
version. `probing_core.run.definitions` lists all assets of a run, and `probing_core.run.engine` materializes those that
are missing or stale. docs/assets.md explains the terms with an example.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from probing_core.run.layout import UNITS, unit_name, units_at, units_name
from probing_core.run.manifest import Entry
from probing_core.run.store import Content, Files, Inputs, Store

Shard = tuple[int, int]
"""First and last unit in one file of a folder."""

PartitionKey = Mapping[str, str]
"""Placeholder in a path -> its value, which is a model or a task."""

UNPARTITIONED: Sequence[PartitionKey] = ({},)
"""The only partition of an asset that occurs once per run."""

Function = Callable[["InputFiles", "Context"], Any]
"""(files that the asset depends on, `Context`) -> content of the asset."""


def _once(snapshot: Any) -> Iterable[PartitionKey]:
    return UNPARTITIONED


@dataclass(frozen=True)
class Option:
    """A value that assets depend on in addition to files.

    Cache keys contain files, options and the code version, and nothing else. A change of anything else that affects
    bytes, such as a constant, therefore requires a new ``code_version`` of every asset that uses it.

    Attributes:
        value: (snapshot of the run, partition) -> the value in JSON types, which is part of cache keys.
        argument: (snapshot of the run, partition) -> the object that functions get instead; by default the value.
    """

    name: str
    value: Callable[[Any, PartitionKey], Any]
    argument: Callable[[Any, PartitionKey], Any] | None = None


@dataclass(frozen=True)
class Context:
    """Arguments for the function of an asset, in addition to the files that it reads.

    Attributes:
        key: key of the partition to compute.
        options: name -> argument of each option that the asset depends on.
        resources: objects that do not affect the bytes of files, such as the progress
            (`probing_core.run.snapshot.Resources`).
        cache: objects that the assets of a group share in memory for the same partition.
        units: paths of the units that the asset is computed from, in order.
    """

    key: PartitionKey
    options: Mapping[str, Any]
    resources: Any
    cache: dict[Hashable, Any] = field(default_factory=dict)
    units: Sequence[str] = ()

    @property
    def model(self) -> str:
        return self.key["model"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Asset:
    """One kind of file that a run can contain.

    Attributes:
        path: path with placeholders, such as ``models/{model}/map.parquet``. A path that ends with a slash is a folder;
            all of its files, which contain units, are one asset.
        description: one sentence; by default the first paragraph of the function's docstring.
        stage: stage that materializes the asset; empty for a file that is written directly.
        partitions: snapshot of a run -> the partitions of the asset; none until the snapshot knows them.
        dependencies: assets, or paths of additional files of assets (`output`). A placeholder that is not in ``path``
            stands for all of its values.
        code_version: number to increase when the same inputs give different bytes.
        also_writes: paths of additional files that the function returns.
        identified_by_key: whether dependents use the cache key of this asset instead of its checksum. Rounding
            differences then do not invalidate them.
        function: (files, context) -> content of ``path``, or with ``also_writes`` content by path. None if the content
            is the rows of all units.
        compute_units: function that computes missing units of all assets that share this function. None if the asset is
            not computed in units, which survive a kill.
        shards: (snapshot, partition) -> ranges of units of a folder that are joined into one file.
        group: consecutive assets of a group are materialized partition by partition, to share `Context.cache`.
        message: progress message, with placeholders.
    """

    path: str
    description: str
    stage: str = ""
    partitions: Callable[[Any], Iterable[PartitionKey]] = _once
    dependencies: Sequence[Asset | str] = ()
    options: Sequence[Option] = ()
    code_version: int = 1
    also_writes: Sequence[str] = ()
    identified_by_key: bool = False
    function: Function | None = None
    compute_units: Callable[[Sequence[UnitWriter]], None] | None = None
    shards: Callable[[Any, PartitionKey], Sequence[Shard]] | None = None
    group: str = ""
    message: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Paths of all files of a partition, with placeholders."""
        return (self.path, *self.also_writes)

    @property
    def dependency_paths(self) -> tuple[str, ...]:
        return tuple(dependency if isinstance(dependency, str) else dependency.path for dependency in self.dependencies)

    def output(self, path: str) -> str:
        """Return ``path`` as a dependency on one file of the asset.

        Raises:
            ValueError: the asset does not write ``path``.
        """
        if path not in self.outputs:
            raise ValueError(f"'{self.path}' does not write '{path}'. It writes: {', '.join(self.outputs)}.")
        return path


def summary(function: Callable[..., object]) -> str:
    """Return the first paragraph of the docstring of ``function``."""
    return inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].replace("\n", " ")


class Stage:
    """A stage of a run. Its assets are defined in one source file, each after its dependencies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.assets: list[Asset] = []

    def add(self, asset: Asset) -> Asset:
        """Add an asset that is written directly, or that consists of the rows of its units."""
        self.assets.append(asset)
        return asset

    def asset(self, path: str, **attributes: Any) -> Callable[[Function], Asset]:
        """Return a decorator for the function that computes an asset; ``attributes`` are those of `Asset`."""

        def define(function: Function) -> Asset:
            asset = Asset(path=path, description=summary(function), stage=self.name, function=function, **attributes)
            return self.add(asset)

        return define


class AssetGraph:
    """Assets, each after its dependencies.

    Raises:
        ValueError: an asset depends on a file that no asset before it writes.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        self.assets = tuple(assets)
        written: set[str] = set()
        for asset in self.assets:
            if missing := [path for path in asset.dependency_paths if path not in written]:
                raise ValueError(f"'{asset.path}' depends on '{missing[0]}', which no asset before it writes.")
            written.update(asset.outputs)

    def asset(self, path: str) -> Asset:
        """Return the asset with this ``path``, which includes placeholders."""
        return next(asset for asset in self.assets if asset.path == path)

    def only(self, paths: Iterable[str]) -> AssetGraph:
        """Return the graph of the assets at these ``paths``, without dependencies on other assets."""
        selected = set(paths)
        assets = [asset for asset in self.assets if asset.path in selected]
        written = {path for asset in assets for path in asset.outputs}
        return AssetGraph(
            replace(asset, dependencies=[path for path in asset.dependency_paths if path in written])
            for asset in assets
        )

    def replacing(self, *changed: Asset) -> AssetGraph:
        """Return the graph with ``changed`` in place of the assets at the same paths."""
        by_path = {asset.path: asset for asset in changed}
        return AssetGraph(by_path.get(asset.path, asset) for asset in self.assets)


@dataclass(frozen=True, eq=False)
class Partition:
    """One file of an asset, or several files that are written together; ``path`` is a file or a folder.

    Attributes:
        outputs: path with placeholders -> path in the run.
        dependencies: paths of the dependencies in the run.
        options: name -> value in JSON types.
        shards: see `Asset`.
    """

    asset: Asset
    key: PartitionKey
    path: str
    outputs: Mapping[str, str]
    dependencies: tuple[str, ...]
    options: Mapping[str, Any] = field(repr=False)
    shards: Sequence[Shard] = ()

    @property
    def unit_count(self) -> int:
        """Number of units of a folder."""
        return self.shards[-1][1] + 1 if self.shards else 0

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")

    @property
    def units_folder(self) -> str:
        return f"{UNITS}{self.path.removesuffix('/')}/"

    def unit(self, index: int) -> str:
        """Return the path of a unit before all units are complete."""
        suffix = ".safetensors" if self.is_folder else PurePosixPath(self.path).suffix
        return f"{self.units_folder}{unit_name(index)}{suffix}"

    def missing_units(self, store: Store, cache_key: str, count: int) -> list[int]:
        """Return the indices of the units, out of ``count``, that are neither in files of the folder nor in unit
        files."""
        joined = store.names(self.path) if self.is_folder else []
        complete = units_in(name for name in joined if store.has(name, cache_key))
        return [i for i in range(count) if i not in complete and not store.has(self.unit(i), cache_key)]


def units_in(paths: Iterable[str]) -> set[int]:
    """Return the indices of the units in ``paths``, which are files of one folder."""
    return {unit for shard in map(units_at, paths) for unit in _range(shard)}


class InputFiles(Files):
    """The files that an asset depends on; its function cannot read any other files."""

    def __init__(
        self, store: Store, paths: Sequence[str], tables: MutableMapping[tuple[str, str], pd.DataFrame]
    ) -> None:
        self.root, self.paths, self._store, self._tables = store.root, tuple(paths), store, tables
        self._files, self._folders = frozenset(paths), tuple(path for path in paths if path.endswith("/"))

    def _is_dependency(self, name: str) -> bool:
        return name in self._files or name.startswith(self._folders)

    def entry(self, name: str) -> Entry | None:
        return self._store.entry(name) if self._is_dependency(name) else None

    def entries(self, prefix: str) -> dict[str, Entry]:
        return {name: entry for name, entry in self._store.entries(prefix).items() if self._is_dependency(name)}

    def path(self, name: str) -> Path:
        if not self._is_dependency(name):
            raise KeyError(f"'{name}' is not a dependency. The dependencies are: {', '.join(self.paths)}")
        return self._store.path(name)

    def table(self, name: str) -> pd.DataFrame:
        """Return a full table, which the caller must not change: the most recent tables stay in memory and are
        shared."""
        version = name, self.checksum(name)
        if version not in self._tables:
            self._tables[version] = self.read_table(name)
        return self._tables[version]


class UnitWriter:
    """Writes the units of one partition. A unit is a file that survives a kill and is kept until all units are
    complete; it is valid if it has the cache key of the partition.

    Attributes:
        files, context: arguments for the asset's function.
        inputs: inputs of the partition, for the manifest.
        count: number of units, as of the last call of `missing`.
    """

    def __init__(
        self,
        store: Store,
        partition: Partition,
        cache_key: str,
        inputs: Inputs,
        files: InputFiles,
        context: Context,
    ) -> None:
        self._store, self.partition, self.cache_key, self.inputs = store, partition, cache_key, inputs
        self.files, self.context = files, context
        self.count = partition.unit_count
        if partition.is_folder:
            store.remove(*(name for name in store.names(partition.path) if not store.has(name, cache_key)))
        self._open = list(self._open_shards())

    def _open_shards(self) -> Iterator[Shard]:
        """Yield the shards, without units that are in existing files; the ranges of these files may differ."""
        complete = units_in(self._store.names(self.partition.path)) if self.partition.is_folder else set()
        for shard in self.partition.shards:
            for is_complete, units in groupby(_range(shard), complete.__contains__):
                if not is_complete:
                    first, *later_units = units
                    yield first, max(later_units, default=first)

    def missing(self, count: int) -> list[int]:
        self.count = count
        return self.partition.missing_units(self._store, self.cache_key, count)

    def write(self, unit: int, content: Content) -> None:
        self._store.write(self.partition.unit(unit), content, self.cache_key)
        self.join(unit)

    def enter(self, written: Sequence[tuple[str, Entry]]) -> None:
        """Enter units into the manifest that other processes wrote to the paths given by `Partition.unit`."""
        self._store.enter(written)

    def join(self, unit: int) -> None:
        """Join the units of the shard that contains ``unit`` into one file if all of them are complete."""
        shard = next((shard for shard in self._open if unit in _range(shard)), None)
        if shard and all(self._store.has(self.partition.unit(member), self.cache_key) for member in _range(shard)):
            self._join(shard)

    def join_all(self) -> None:
        """Join the units of all shards; all units must exist."""
        for shard in tuple(self._open):
            self._join(shard)

    def _join(self, shard: Shard) -> None:
        self._open.remove(shard)
        units = [self.partition.unit(unit) for unit in _range(shard)]
        path = f"{self.partition.path}{units_name(*shard)}"
        if len(units) == 1:
            self._store.move(units[0], path, self.inputs)
        else:
            self._store.join_arrays(path, units, self.cache_key, self.inputs)
            self._store.remove(*units)


def _range(shard: Shard) -> range:
    return range(shard[0], shard[1] + 1)
