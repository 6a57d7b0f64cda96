"""The engine of runs: find by a table of rows which files are made, missing or stale, and make these.

The engine knows nothing of what a run computes. A `Row` describes one kind of file: its path, what it is repeated over,
what it reads, the options that it depends on, its revision and its maker. A `Plan` is the table expanded over one run,
with an `Artifact` for each file. The key of an artifact is the digest of its inputs: the revision, the values of the
options and the checksums of what it reads. A file with another key is made again, and the inputs in its entry of the
manifest say why (`probing_core.run.why`).

A maker is a function of the files that its row reads and of the options that it names, and gets nothing else. Long work
is made in units, which survive a kill (`Units`). Artifacts are made in the order of the table, so that a row comes
after those that it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from cachetools import LRUCache

from probing_core.errors import BadRun, UnknownName
from probing_core.run.layout import UNITS, unit_name, units_at, units_name
from probing_core.run.manifest import LEFT_OUT, NOTHING, Entry, short_checksum
from probing_core.run.store import Content, Files, Store, digest

MAX_TABLES = 3
"""Tables that a plan keeps in memory for makers that read them in succession."""

SHARD_BYTES = 64 * 2**20
"""Size of the files into which the units of a folder are packed, so that there are few files."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")

Binding = Mapping[str, str]


class State(StrEnum):
    """What is known of an artifact.

    ``NOTHING`` means that its maker had nothing to write, ``LEFT_OUT`` that it was made and did not ship, ``NOT_HERE``
    that it cannot be made since what it reads was left out.
    """

    MADE = "made"
    MISSING = "missing"
    STALE = "stale"
    NOTHING = NOTHING
    LEFT_OUT = LEFT_OUT
    NOT_HERE = "not here"


COMPLETE = (State.MADE, State.NOTHING, State.LEFT_OUT)
"""States of an artifact that is not made again."""


def _once(scope: Any) -> Iterable[Binding]:
    return ({},)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of file that a run can hold.

    Attributes:
        path: with placeholders, ``models/{model}/map.parquet``. One that ends with a slash is a folder of files of
            units, which together are one artifact.
        holds: what it holds, for the documentation.
        stage: in which it is made; empty for a file that is written directly, and not made from others.
        each: scope -> one binding of the placeholders for each file; none until the scope knows which there are.
        reads: paths of other rows. A placeholder that is not in ``path`` stands for all of its values.
        options: names of what else it depends on, see `Table`.
        revision: raised where the same inputs give other bytes.
        beside: paths of what is written together with it.
        by_key: files made from this one depend on its key and not on its checksum: where it was made again with other
            last bits, nothing else is.
        units: makes missing units of artifacts of all rows that name it (`Units`), where it is made in units.
        count: scope, binding -> number of units of a folder.
        group: consecutive rows of the same group are made binding by binding: one model after another, so that what is
            read of a model serves them all (`Given.kept`).
        make: (files that it reads, `Given`) -> content of ``path``, or with ``beside`` content by path in the row. If
            made in units, it is made from these; by default it is the units concatenated.
        doing: message while it is made, with placeholders.
    """

    path: str
    holds: str
    stage: str = ""
    each: Callable[[Any], Iterable[Binding]] = _once
    reads: Sequence[str] = ()
    options: Sequence[str] = ()
    revision: int = 1
    beside: Sequence[str] = ()
    by_key: bool = False
    units: Callable[[Sequence[Units]], None] | None = None
    count: Callable[[Any, Binding], int] | None = None
    group: str = ""
    make: Callable[[Reads, Given], Any] | None = None
    doing: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.path, *self.beside)


@dataclass(frozen=True)
class Option:
    """What rows depend on in addition to files.

    Attributes:
        value: scope, binding -> its value in JSON types, which enters keys.
        given: scope, binding -> the object that the value describes, which makers get instead.
    """

    value: Callable[[Any, Binding], Any]
    given: Callable[[Any, Binding], Any] | None = None


class Table:
    """The rows of a run, each after those that it reads, and the options that they depend on.

    Raises:
        ValueError: a row reads what no row before it writes, or depends on an unknown option.
    """

    def __init__(self, rows: Sequence[Row], options: Mapping[str, Option]) -> None:
        self.rows, self.options = tuple(rows), options
        known: set[str] = set()
        for row in rows:
            for path in row.reads:
                if path not in known:
                    raise ValueError(f"'{row.path}' reads '{path}', which no row before it writes.")
            if unknown := [name for name in row.options if name not in options]:
                raise ValueError(f"'{row.path}' depends on '{unknown[0]}', which is no option of the table.")
            known.update(row.outputs)

    def with_rows(self, rows: Sequence[Row]) -> Table:
        return Table(rows, self.options)

    def without(self, leaves_out: Callable[[Row], bool]) -> Table:
        rows = [row for row in self.rows if not leaves_out(row)]
        known = {path for row in rows for path in row.outputs}
        return self.with_rows([replace(row, reads=tuple(p for p in row.reads if p in known)) for row in rows])


@dataclass(frozen=True, eq=False)
class Artifact:
    """One file of a run, or several that are written together; named by ``path``, of a file or a folder.

    Attributes:
        outputs: path in the row -> path in the run.
        count: number of units of a folder.
    """

    row: Row
    binding: Binding
    path: str
    outputs: Mapping[str, str]
    reads: tuple[str, ...]
    options: Mapping[str, Any] = field(repr=False)
    count: int = 0

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")

    @property
    def units_folder(self) -> str:
        return f"{UNITS}{self.path.removesuffix('/')}/"

    def unit(self, index: int) -> str:
        """Return the path of a unit until all are there."""
        suffix = ".safetensors" if self.is_folder else PurePosixPath(self.path).suffix
        return f"{self.units_folder}{unit_name(index)}{suffix}"


class Plan:
    """The artifacts of one run.

    Args:
        scope: argument of ``each``, ``count`` and options; the engine does not look at it.
        slug: placeholder, its value -> the value within a path.
        means: what makers get that changes no bytes, such as an object for progress.
    """

    def __init__(
        self,
        table: Table,
        scope: Any,
        files: Store,
        slug: Callable[[str, str], str] = lambda name, value: value,
        means: Any = None,
    ) -> None:
        self.table, self.scope, self.files, self.means, self._slug = table, scope, files, means, slug
        self.artifacts: dict[str, Artifact] = {}
        self.tables: LRUCache[tuple[str, str], pd.DataFrame] = LRUCache(MAX_TABLES)
        self._kept: tuple[Binding, dict[Hashable, Any]] = {}, {}
        self._of_output: dict[str, Artifact] = {}
        of_template: dict[str, list[Artifact]] = {}
        for _, rows in groupby(table.rows, key=lambda row: row.group or row.path):
            found = [artifact for row in rows for artifact in self._expand(row, of_template)]
            place: dict[tuple[tuple[str, str], ...], int] = {}
            found.sort(key=lambda artifact: place.setdefault(tuple(artifact.binding.items()), len(place)))
            self.artifacts |= {artifact.path: artifact for artifact in found}

    def _expand(self, row: Row, of_template: dict[str, list[Artifact]]) -> Iterator[Artifact]:
        for binding in row.each(self.scope):
            outputs = {template: self._fill(template, binding) for template in row.outputs}
            reads = tuple(dict.fromkeys(path for read in row.reads for path in _found(read, binding, of_template)))
            options = {name: self.table.options[name].value(self.scope, binding) for name in row.options}
            count = 0 if row.count is None else row.count(self.scope, binding)
            artifact = Artifact(row, binding, outputs[row.path], outputs, reads, options, count)
            for template, path in outputs.items():
                self._of_output[path] = artifact
                of_template.setdefault(template, []).append(artifact)
            yield artifact

    def _fill(self, template: str, binding: Binding) -> str:
        return PLACEHOLDER.sub(lambda found: self._slug(found[1], binding[found[1]]), template)

    def artifact(self, path: str) -> Artifact:
        """Return the artifact that ``path`` is an output of; of a folder, any file in it.

        Raises:
            UnknownName: there is none.
        """
        found = self.holding(path)
        if found is None:
            raise UnknownName(f"A run with this recipe has no '{path}'; docs/run-format.md lists what there can be.")
        return found

    def holding(self, path: str) -> Artifact | None:
        return self._of_output.get(path) or self._of_output.get(f"{path.rpartition('/')[0]}/")

    def select(self, *stages: str) -> list[Artifact]:
        return [artifact for artifact in self.artifacts.values() if artifact.row.stage in stages]

    def value(self, path: str) -> str | None:
        """Return the checksum or the key by which readers of ``path`` know it; None where it is missing."""
        row = self._of_output[path].row
        if row.by_key and row.stage:
            return self.key(self._of_output[path])
        entry = self.files.entry(path)
        return None if entry is None else entry["key"] if row.by_key else short_checksum(entry)

    def inputs(self, artifact: Artifact) -> dict[str, Any]:
        """Return the inputs of ``artifact`` by name; the value of what is missing is None."""
        read = {path: self.value(path) for path in artifact.reads}
        return read | {"revision": artifact.row.revision, "options": dict(artifact.options)}

    def key(self, artifact: Artifact) -> str | None:
        """Return the digest of the inputs of ``artifact``; None where some are missing."""
        inputs = self.inputs(artifact)
        return None if None in inputs.values() else digest([artifact.row.path, inputs])

    def ready_key(self, artifact: Artifact) -> str:
        key = self.key(artifact)
        assert key is not None, f"'{artifact.path}' lacks something that it is made from."
        return key

    def entries(self, artifact: Artifact) -> Mapping[str, Entry | None]:
        """Return path -> entry in the manifest, for each output of ``artifact``, or each file of its folder."""
        if artifact.is_folder:
            return self.files.entries(artifact.path)
        return {path: self.files.entry(path) for path in artifact.outputs.values()}

    def state(self, artifact: Artifact) -> State:
        """Return the state of ``artifact`` by the manifest; no file is read."""
        if not artifact.row.stage:
            return State.MADE if self.files.has(artifact.path) else State.MISSING
        state = self._state(artifact)
        if state not in COMPLETE and any(self.cannot_be_read(path) for path in artifact.reads):
            return State.NOT_HERE
        return state

    def _state(self, artifact: Artifact) -> State:
        key, entries = self.key(artifact), self.entries(artifact)
        there = {path: entry for path, entry in entries.items() if entry is not None and self._is_there(path)}
        held = {path: entry for path, entry in there.items() if entry["key"] == key}
        if units_of(held) >= set(range(artifact.count)) if artifact.is_folder else len(held) == len(entries):
            states = [entry.get("state") for entry in held.values()]
            return State.LEFT_OUT if LEFT_OUT in states else State.NOTHING if NOTHING in states[:1] else State.MADE
        if not artifact.is_folder:
            return State.STALE if len(there) == len(entries) else State.MISSING
        if self.files.base is not None and entries and all(_is_left_out(entry) for entry in entries.values()):
            return State.LEFT_OUT  # of another revision, in a run that is only read
        return State.STALE if entries else State.MISSING

    def _is_there(self, path: str) -> bool:
        entry = self.files.entry(path)
        return entry is not None and ("state" in entry or self.files.has(path))

    def cannot_be_read(self, path: str) -> bool:
        """Return whether ``path`` was left out, or cannot be made here."""
        found = self._of_output[path]
        if not found.is_folder and self.files.entry(path) is not None:
            return _is_left_out(self.files.entry(path))
        return self.state(found) in (State.LEFT_OUT, State.NOT_HERE)

    def left(self, artifacts: Iterable[Artifact]) -> list[Artifact]:
        return [artifact for artifact in artifacts if self.state(artifact) in (State.MISSING, State.STALE)]

    def lacking(self, artifact: Artifact, count: int) -> list[int]:
        """Return which of ``count`` units of an artifact are neither in files of its folder nor files of their own."""
        key = self.key(artifact) or ""
        packed = self.files.names(artifact.path) if artifact.is_folder else []
        there = units_of(name for name in packed if self.files.has(name, key))
        return [i for i in range(count) if i not in there and not self.files.has(artifact.unit(i), key)]

    def lacked(self, artifact: Artifact) -> str:
        """Return the first input of ``artifact`` that is missing or, if it is read by its key, has another key now;
        empty where there is none."""
        for path in artifact.reads:
            read = self._of_output[path]
            if self.value(path) is None or (read.row.by_key and read.row.stage and self.left([read])):
                return path
        return ""

    def make(self, artifacts: Sequence[Artifact], report: Callable[[Artifact], None] = lambda artifact: None) -> None:
        """Make those of ``artifacts`` that are missing or stale; ``report`` is called with each before.

        Raises:
            BadRun: what one of them reads is missing.
        """
        tried: set[str] = set()
        for done, artifact in enumerate(artifacts):
            if artifact.path in tried or not self.left([artifact]):
                continue
            report(artifact)
            if lacked := self.lacked(artifact):
                root = self.files.root
                raise BadRun(
                    f"'{artifact.path}' is made from '{lacked}', which the run '{root}' lacks; "
                    f"`probing run --out {root}` makes it."
                )
            if artifact.row.units is not None:
                same = [one for one in artifacts[done:] if one.row.units is artifact.row.units]
                shared = [one for one in self.left(same) if not self.lacked(one)]
                tried.update(one.path for one in shared)
                self._make_in_units(shared)
            elif artifact.row.make is not None:
                self.make_one(artifact)
        self.clean()

    def given(self, artifact: Artifact, parts: Sequence[str] = ()) -> tuple[Reads, Given]:
        """Return the arguments of the maker of ``artifact``, which may be made from ``parts``, its units."""
        if artifact.binding != self._kept[0]:
            self._kept = artifact.binding, {}
        options = dict(artifact.options)
        for name in options:
            if (given := self.table.options[name].given) is not None:
                options[name] = given(self.scope, artifact.binding)
        kept = self._kept[1] if artifact.row.group else {}
        return Reads(self, (*artifact.reads, *parts)), Given(artifact.binding, options, self.means, kept, parts)

    def make_one(self, artifact: Artifact, parts: Sequence[str] = ()) -> None:
        """Make an artifact none of whose inputs is missing; ``parts`` are the paths of its units, where it has any."""
        assert artifact.row.make is not None
        made = artifact.row.make(*self.given(artifact, parts))
        self.enter(artifact, made if artifact.row.beside else {artifact.row.path: made})

    def enter(self, artifact: Artifact, content: Mapping[str, Content]) -> None:
        """Write what was made; ``content`` is by the paths in the row."""
        assert set(content) <= set(artifact.outputs), f"{artifact.path}: {set(content) - set(artifact.outputs)}"
        key, inputs = self.ready_key(artifact), self.inputs(artifact)
        for template, path in artifact.outputs.items():
            self.files.write(path, content.get(template), key, inputs)

    def _make_in_units(self, artifacts: Sequence[Artifact]) -> None:
        """Have the missing units made of artifacts that share them, then make those artifacts that have all units."""
        made = [Units(self, artifact) for artifact in artifacts]
        assert artifacts[0].row.units is not None
        artifacts[0].row.units(made)
        for units in (units for units in made if not units.lacking(units.count)):
            units.finish()

    def clean(self) -> None:
        """Remove units of artifacts that are complete; a kill may have left them."""
        folders = {f"{path.rpartition('/')[0]}/" for path in self.files.names(UNITS)}
        of_folder = {artifact.units_folder: artifact for artifact in self.artifacts.values()}
        for folder in sorted(folders):
            artifact = of_folder.get(folder)
            if artifact is not None and self.state(artifact) in COMPLETE:
                self.files.remove(*self.files.names(folder))


@dataclass(frozen=True)
class Given:
    """What a maker gets in addition to the files that it reads.

    Attributes:
        binding: placeholder of the row's path -> its value.
        options: name -> value, of those that the row names.
        means: see `Plan`.
        kept: what makers keep in memory for the rows of their group, while the binding is the same.
        parts: paths of the units that it is made from, in order.
    """

    binding: Binding
    options: Mapping[str, Any]
    means: Any
    kept: dict[Hashable, Any] = field(default_factory=dict)
    parts: Sequence[str] = ()


class Reads(Files):
    """The files of a run that a row reads; the maker can read no others."""

    def __init__(self, plan: Plan, paths: Sequence[str]) -> None:
        self.root, self.paths, self._plan = plan.files.root, tuple(paths), plan
        self._files, self._folders = frozenset(paths), tuple(path for path in paths if path.endswith("/"))

    def _is_read(self, name: str) -> bool:
        return name in self._files or name.startswith(self._folders)

    def entry(self, name: str) -> Entry | None:
        return self._plan.files.entry(name) if self._is_read(name) else None

    def entries(self, prefix: str) -> dict[str, Entry]:
        return {name: entry for name, entry in self._plan.files.entries(prefix).items() if self._is_read(name)}

    def path(self, name: str) -> Path:
        if not self._is_read(name):
            raise KeyError(f"'{name}' is none of the files that are read: {', '.join(self.paths)}")
        return self._plan.files.path(name)

    def table(self, name: str) -> pd.DataFrame:
        """Return a whole table; the last few stay in memory. Shared: not to be changed."""
        known, tables = (name, self.checksum(name)), self._plan.tables
        if known not in tables:
            tables[known] = self.read_table(name)
        return tables[known]


class Units:
    """The units of an artifact that is made in units: which are missing, and how others are added.

    A unit is a file that survives a kill until the artifact is complete; it is valid while its key is that of the
    artifact.

    Attributes:
        files, given: as for a maker.
        count: number of its units, from the last call of `lacking`.
    """

    def __init__(self, plan: Plan, artifact: Artifact) -> None:
        self._plan, self._store, self.artifact = plan, plan.files, artifact
        self.files, self.given = plan.given(artifact)
        self.key, self.count = plan.ready_key(artifact), artifact.count
        self._next, self._packed = 0, dict[int, int]()
        if artifact.is_folder:
            others = [name for name in self._store.names(artifact.path) if not self._store.has(name, self.key)]
            self._store.remove(*others)
            self._store.hide(*(name for name in others if self._store.has(name)))  # of the base, which is only read

    def lacking(self, count: int) -> list[int]:
        self.count = count
        if self.artifact.is_folder:
            self._packed = dict(map(units_at, self._store.names(self.artifact.path)))
        return self._plan.lacking(self.artifact, count)

    def write(self, unit: int, content: Content) -> None:
        self._store.write(self.artifact.unit(unit), content, self.key)
        self.pack()

    def enter(self, written: Sequence[tuple[str, Entry]]) -> None:
        """Enter units that others wrote to the paths of `Artifact.unit`."""
        self._store.enter(written)

    def finish(self) -> None:
        artifact, parts = self.artifact, [self.artifact.unit(i) for i in range(self.count)]
        if artifact.is_folder:
            self.pack(whole=True)
        elif artifact.row.make is not None:
            self._plan.make_one(artifact, parts)
        elif parts:
            self._store.join_tables(artifact.path, parts, self.key, self._plan.inputs(artifact))
        else:
            self._plan.enter(artifact, {})
        self._store.remove(*self._store.names(artifact.units_folder))

    def pack(self, whole: bool = False) -> None:
        """Gather units of a folder, as far as they are consecutive, into files of about `SHARD_BYTES`.

        Their limits depend on the sizes of the units and on files that exist already, so that the same run has the same
        files. The last file may be smaller where all units are there (``whole``).
        """
        if not self.artifact.is_folder:
            return
        first = unit = self._next
        size = 0
        while True:
            if unit > first and (size >= SHARD_BYTES or unit in self._packed or (whole and unit == self.count)):
                self._gather(first, unit - 1)
                first, size = unit, 0
            entry = self._store.entry(self.artifact.unit(unit))
            if unit in self._packed:
                first = unit = self._packed[unit] + 1
            elif unit < self.count and entry is not None and entry["key"] == self.key:
                size += entry["bytes"]
                unit += 1
            else:
                break
        self._next = first

    def _gather(self, first: int, last: int) -> None:
        parts, inputs = [self.artifact.unit(unit) for unit in range(first, last + 1)], self._plan.inputs(self.artifact)
        shard = f"{self.artifact.path}{units_name(first, last)}"
        if last == first:
            self._store.move(parts[0], shard, inputs)
        else:
            self._store.join_arrays(shard, parts, self.key, inputs)
            self._store.remove(*parts)
        self._packed[first] = last


def _found(read: str, binding: Binding, of_template: Mapping[str, list[Artifact]]) -> Iterator[str]:
    for artifact in of_template.get(read, ()):
        if all(artifact.binding[name] == value for name, value in binding.items() if name in artifact.binding):
            yield artifact.outputs[read]


def _is_left_out(entry: Entry | None) -> bool:
    return entry is not None and entry.get("state") == LEFT_OUT


def units_of(paths: Iterable[str]) -> set[int]:
    """Return the units that files of a folder hold."""
    return {unit for first, last in map(units_at, paths) for unit in range(first, last + 1)}
