"""Assets: the kinds of files that a run can contain, each defined by the function that computes it.

The decorator `Stage.asset` specifies the path of the file, its partitions (such as one file per model), its
dependencies (the files that the function can read), its options, and its code version.
`probing_core.run.definitions` lists all assets of a run, and `probing_core.run.engine` materializes missing and stale
assets. docs/assets.md explains these terms with an example.
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
"""Indices of the first and last unit in one file of a folder."""

PartitionKey = Mapping[str, str]
"""Mapping from each placeholder in a path to its value (a model or a task)."""

UNPARTITIONED: Sequence[PartitionKey] = ({},)
"""Partition keys of an unpartitioned asset: a single empty key."""

Function = Callable[["InputFiles", "Context"], Any]
"""Function that takes the input files and the context of a partition, and returns the content of the partition."""


def _once(snapshot: Any) -> Iterable[PartitionKey]:
    return UNPARTITIONED


@dataclass(frozen=True)
class Option:
    """A value that assets depend on in addition to files.

    Cache keys only cover dependencies, options and the code version. If anything else that affects the contents of
    files changes, such as a constant, the ``code_version`` of every asset that uses it must be increased.

    Attributes:
        value: (snapshot of the run, partition key) -> JSON-serializable value, which is part of the cache key.
        argument: (snapshot of the run, partition key) -> object that the function of the asset receives. By default,
            the function receives the value.
    """

    name: str
    value: Callable[[Any, PartitionKey], Any]
    argument: Callable[[Any, PartitionKey], Any] | None = None


@dataclass(frozen=True)
class Context:
    """Arguments of an asset function other than the input files.

    Attributes:
        key: partition key.
        options: option name -> result of `Option.argument`, or of `Option.value` if ``argument`` is None.
        resources: objects that do not affect the contents of files, such as the progress bar
            (`probing_core.run.snapshot.Resources`).
        cache: objects that the assets of a group share in memory while they are computed for one partition key.
        units: paths of the unit files from which the partition is computed, in order.
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
        path: path with placeholders, such as ``models/{model}/map.parquet``. A path that ends with a slash is a folder,
            and the asset consists of all files in the folder.
        description: short description. `Stage.asset` uses the first paragraph of the function's docstring.
        stage: stage that materializes the asset, or an empty string if the engine does not write the file.
        partitions: snapshot of a run -> partition keys of the asset. The result is empty until the snapshot contains
            the required information.
        dependencies: assets whose main file is read, or paths of their additional files (see `output`). Placeholders
            that are not in ``path`` match all values.
        code_version: version that must be increased when a code change produces different bytes for the same inputs.
        also_writes: paths of additional files whose contents the function returns.
        identified_by_key: whether dependents use the cache key of this asset instead of its checksum. Rounding
            differences then do not invalidate the dependents.
        function: function that returns the content of ``path``, or a mapping from paths to contents if ``also_writes``
            is not empty. None if the asset is a concatenation of its units, or if the engine does not write the file.
        compute_units: function that computes missing units, for all assets that share the function. None if the asset
            is not computed in units. Completed units are preserved if the process is killed.
        shards: (snapshot, partition key) -> ranges of units. Each range is joined into one file of a folder.
        group: name of a group. Consecutive assets of a group are materialized one partition key at a time, so that they
            can share `Context.cache`.
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
        """Check that the asset writes ``path``, and return it for use as a dependency.

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
    """The assets of a stage that are defined in one source file, each after its dependencies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.assets: list[Asset] = []

    def add(self, asset: Asset) -> Asset:
        """Add ``asset`` to the stage and return it."""
        self.assets.append(asset)
        return asset

    def asset(self, path: str, **attributes: Any) -> Callable[[Function], Asset]:
        """Return a decorator that converts a function into the `Asset` that the function computes.

        Args:
            path: path of the asset, with placeholders.
            attributes: additional attributes of the `Asset`.
        """

        def define(function: Function) -> Asset:
            asset = Asset(path=path, description=summary(function), stage=self.name, function=function, **attributes)
            return self.add(asset)

        return define


class AssetGraph:
    """A graph of assets, each listed after its dependencies.

    Raises:
        ValueError: an asset depends on a file that no preceding asset writes.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        self.assets = tuple(assets)
        written: set[str] = set()
        for asset in self.assets:
            if missing := [path for path in asset.dependency_paths if path not in written]:
                raise ValueError(f"'{asset.path}' depends on '{missing[0]}', which no preceding asset writes.")
            written.update(asset.outputs)

    def asset(self, path: str) -> Asset:
        """Return the asset with this ``path``, which may contain placeholders."""
        return next(asset for asset in self.assets if asset.path == path)

    def only(self, paths: Iterable[str]) -> AssetGraph:
        """Return a graph of the assets with these ``paths``, without dependencies on other assets."""
        selected = set(paths)
        assets = [asset for asset in self.assets if asset.path in selected]
        written = {path for asset in assets for path in asset.outputs}
        return AssetGraph(
            replace(asset, dependencies=[path for path in asset.dependency_paths if path in written])
            for asset in assets
        )

    def replacing(self, *changed: Asset) -> AssetGraph:
        """Return a graph in which each ``changed`` asset replaces the asset with the same path."""
        by_path = {asset.path: asset for asset in changed}
        return AssetGraph(by_path.get(asset.path, asset) for asset in self.assets)


@dataclass(frozen=True, eq=False)
class Partition:
    """The files of an asset for one partition key.

    Attributes:
        path: path of the main file or of the folder in the run.
        outputs: path with placeholders -> path in the run.
        dependencies: paths of the dependencies in the run.
        options: option name -> JSON-serializable value.
        shards: ranges of units. Each range is joined into one file of a folder.
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
        """Number of units in a folder, or 0 if the asset is not a folder."""
        return self.shards[-1][1] + 1 if self.shards else 0

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")

    @property
    def units_folder(self) -> str:
        return f"{UNITS}{self.path.removesuffix('/')}/"

    def unit(self, index: int) -> str:
        """Return the path of the temporary file for the unit with this ``index``."""
        suffix = ".safetensors" if self.is_folder else PurePosixPath(self.path).suffix
        return f"{self.units_folder}{unit_name(index)}{suffix}"

    def missing_units(self, store: Store, cache_key: str, count: int) -> list[int]:
        """Return the indices of the units, out of ``count``, that have not been written with this ``cache_key``."""
        joined = store.names(self.path) if self.is_folder else []
        complete = units_in(name for name in joined if store.has(name, cache_key))
        return [i for i in range(count) if i not in complete and not store.has(self.unit(i), cache_key)]


def units_in(paths: Iterable[str]) -> set[int]:
    """Return the indices of the units in the embedding files at ``paths``, parsed from the file names."""
    return {unit for shard in map(units_at, paths) for unit in _range(shard)}


class InputFiles(Files):
    """The input files of a partition. The function of the asset cannot read any other files."""

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
            raise KeyError(f"'{name}' is not a dependency. Dependencies: {', '.join(self.paths)}.")
        return self._store.path(name)

    def table(self, name: str) -> pd.DataFrame:
        """Read a full table. The caller must not modify it, because recently read tables are cached and shared."""
        version = name, self.checksum(name)
        if version not in self._tables:
            self._tables[version] = self.read_table(name)
        return self._tables[version]


class UnitWriter:
    """Writer for the units of one partition.

    Each unit is written to a temporary file, which is preserved if the process is killed. The file is valid if it has
    the cache key of the partition. Unit files are removed after the files of the partition have been written.

    Attributes:
        files, context: arguments of the asset function.
        inputs: inputs of the partition, as recorded in the manifest.
        count: number of units, as set by the most recent call to `missing`.
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
        """Yield ranges of units that are not in existing files of the folder.

        A shard that partly overlaps an existing file is split.
        """
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
        """Record units from other processes in the manifest. Their paths must match `Partition.unit`."""
        self._store.enter(written)

    def join(self, unit: int) -> None:
        """Concatenate the units of the shard that contains ``unit`` into one file if all of them are complete."""
        shard = next((shard for shard in self._open if unit in _range(shard)), None)
        if shard and all(self._store.has(self.partition.unit(member), self.cache_key) for member in _range(shard)):
            self._join(shard)

    def join_all(self) -> None:
        """Concatenate the units of each shard into one file. All units must exist."""
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
