"""The engine of runs: find by a table of rows which files are made, missing or stale, and make these.

Nothing here knows what a run is about. A `Row` describes one kind of file: its path, for each of what there is one,
what it reads, the options that it depends on, its revision and its maker. A `Plan` is the table expanded over one run:
an `Artifact` for each file. The key of an artifact is the digest of its inputs, which are the revision, the values of
the options and the checksums of what it reads. A file whose key is another one is made again, and the inputs that its
entry in the manifest holds say why (`probing_core.run.why`).

Artifacts are expanded and made in the order of the table, so a row stands behind the rows that it reads.

It is our own since a run needs what a kept library lacks: several models that share the pictures of a unit, pieces that
survive a kill, files that were left out, and a run that stands on another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from probing_core.errors import BadRun, UnknownName
from probing_core.run.layout import ANY_UNIT, PARQUET, unit_name, units_at
from probing_core.run.manifest import LEFT_OUT, NOTHING, Entry, short_checksum
from probing_core.run.store import Content, Files, Store, digest

SOURCE = "source:"
"""Prefix of a path in another run that a row reads."""

MAX_TABLES = 3
"""Tables that a plan keeps in memory for makers that read them one after the other."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")

Binding = Mapping[str, str]
"""Placeholder of a path -> its value."""


T = TypeVar("T")


class State(StrEnum):
    """What is known of an artifact.

    ``NOTHING`` means that its maker had nothing to write, ``LEFT_OUT`` that it was made and did not ship, ``NOT_HERE``
    that it cannot be made since what it reads was left out, or since the run that it is taken from is elsewhere.
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
        stage: in which it is made; empty for a file that is written as it is, and not made from others.
        each: scope -> the bindings of the placeholders; none as long as it is not known which there are.
        reads: paths of other rows. A placeholder that is not in ``path`` stands for all that there are; a path that
            begins with ``source:`` is of another run.
        options: names of what it depends on beside, see `Table`.
        revision: raised where the same inputs give other bytes.
        beside: paths of what is written together with it.
        pieces: path, with ``{unit}`` for their number, of what a maker that takes long writes on its way: it survives a
            kill, and goes once the file is complete.
        by_key: whether who reads it takes its key and not its checksum, so that one that was made again with other last
            bits makes nothing else be made again.
        units: scope, binding -> number of units of a folder.
        group: rows that follow each other and name the same group are made binding by binding: of one model after
            another, so that what is read of a model serves them all.
        make: reader of its inputs -> content of ``path`` and of each of ``beside``, by their paths in the row, or None
            where it cannot be made here. None of what a stage makes by itself, for many rows at once.
        doing: what is said while it is made, with placeholders.
    """

    path: str
    holds: str
    stage: str = ""
    each: Callable[[Any], Iterable[Binding]] = _once
    reads: Sequence[str] = ()
    options: Sequence[str] = ()
    revision: int = 1
    beside: Sequence[str] = ()
    pieces: str = ""
    by_key: bool = False
    units: Callable[[Any, Binding], int] | None = None
    group: str = ""
    make: Callable[[Reader], Mapping[str, Content] | None] | None = None
    doing: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.path, *self.beside)

    def is_read(self, path: str) -> bool:
        """Return whether it reads files that are called like ``path``."""
        return any(_pattern(read).match(path) for read in self.reads)


class Table:
    """The rows of a run, in order, and how the values of options are found.

    Args:
        rows: each behind those that it reads.
        options: name -> (scope, binding) -> value (JSON types).

    Raises:
        ValueError: a row reads what no row before it writes, or depends on an unknown option.
    """

    def __init__(self, rows: Sequence[Row], options: Mapping[str, Callable[[Any, Binding], Any]]) -> None:
        self.rows, self.options = tuple(rows), options
        known: set[str] = set()
        for row in rows:
            for path in (path for path in row.reads if not path.startswith(SOURCE)):
                if path not in known:
                    raise ValueError(f"'{row.path}' reads '{path}', which no row before it writes.")
            if unknown := [name for name in row.options if name not in options]:
                raise ValueError(f"'{row.path}' depends on '{unknown[0]}', which is no option of the table.")
            known.update(row.outputs)

    def without(self, leaves_out: Callable[[Row], bool]) -> Table:
        """Return the table less some rows, which no other row reads then."""
        rows = [row for row in self.rows if not leaves_out(row)]
        known = {path for row in rows for path in row.outputs}
        return Table(
            [
                replace(row, reads=tuple(path for path in row.reads if path in known or path.startswith(SOURCE)))
                for row in rows
            ],
            self.options,
        )

    def stage_of(self, path: str) -> str:
        """Return the stage that makes ``path``; empty where none does."""
        for row in self.rows:
            if any(_pattern(output).match(path) for output in row.outputs):
                return row.stage
        return ""


@dataclass(frozen=True, eq=False)
class Artifact:
    """One file of a run, or several that are written together.

    Attributes:
        row, binding: which one.
        path: of the file, or the folder, by which it is named.
        outputs: path in the row -> path in the run.
        reads: paths of what it reads.
        options: name -> value.
        units: number of units of a folder.
        pieces: path of its pieces, with ``{unit}`` for their number.
    """

    row: Row
    binding: Binding
    path: str
    outputs: Mapping[str, str]
    reads: tuple[str, ...]
    options: Mapping[str, Any] = field(repr=False)
    units: int = 0
    pieces: str = ""

    def is_read(self, path: str) -> bool:
        """Return whether its row declares that the file at ``path`` is read."""
        return path in self.reads or any(path.startswith(read) for read in self.reads if read.endswith("/"))

    def require_read(self, path: str) -> None:
        """Refuse to read what its row does not declare: its key would not know of it."""
        assert self.is_read(path), f"'{self.row.path}' reads '{path}' without saying so."

    def piece(self, unit: int) -> str:
        """Return the path of one of its pieces."""
        assert self.pieces, f"'{self.row.path}' is not made in pieces."
        return self.pieces.replace(ANY_UNIT, unit_name(unit))

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")


class Plan:
    """The artifacts of one run.

    Args:
        table: what there can be.
        scope: what ``each``, ``units``, options and makers are given; the engine does not look at it.
        files: of the run.
        source: of the run that paths with ``source:`` lie in, or None where it is not here.
        slug: placeholder, its value -> how the value stands in a path.
        hidden: names of what the scope holds that makers are not given: files, and what was read of them.
    """

    def __init__(
        self,
        table: Table,
        scope: Any,
        files: Store,
        source: Files | None = None,
        slug: Callable[[str, str], str] = lambda name, value: value,
        hidden: Collection[str] = (),
    ) -> None:
        self.table, self.scope, self.files, self.source, self._slug = table, scope, files, source, slug
        self.hidden = hidden
        self.artifacts: dict[str, Artifact] = {}
        self.tables: dict[tuple[str, str], pd.DataFrame] = {}
        self.kept: tuple[Binding, dict[Hashable, tuple[Any, set[str]]]] = {}, {}
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
            reads = tuple(dict.fromkeys(path for read in row.reads for path in self._found(read, binding, of_template)))
            options = {name: self.table.options[name](self.scope, binding) for name in row.options}
            units = 0 if row.units is None else row.units(self.scope, binding)
            pieces = self._fill(row.pieces, {**binding, "unit": ANY_UNIT})
            artifact = Artifact(row, binding, outputs[row.path], outputs, reads, options, units, pieces)
            for template, path in outputs.items():
                self._of_output[path] = artifact
                of_template.setdefault(template, []).append(artifact)
            yield artifact

    def _found(self, read: str, binding: Binding, of_template: Mapping[str, list[Artifact]]) -> Iterator[str]:
        """Yield the paths that ``read`` of a row stands for."""
        if read.startswith(SOURCE):
            path = self._fill(read.removeprefix(SOURCE), binding)
            if self.source is None or self.source.entry(path) is not None:
                yield SOURCE + path
            return
        for artifact in of_template.get(read, ()):
            if all(artifact.binding[name] == value for name, value in binding.items() if name in artifact.binding):
                yield artifact.outputs[read]

    def _fill(self, template: str, binding: Binding) -> str:
        return PLACEHOLDER.sub(lambda found: self._slug(found[1], binding[found[1]]), template)

    # what there is

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
        """Return the artifact that the file at ``path`` belongs to; None where there is none."""
        return self._of_output.get(path) or self._of_output.get(f"{path.rpartition('/')[0]}/")

    def select(self, *stages: str) -> list[Artifact]:
        """Return the artifacts of some stages, in order."""
        return [artifact for artifact in self.artifacts.values() if artifact.row.stage in stages]

    def value(self, path: str) -> str | None:
        """Return the checksum or the key by which whoever reads ``path`` knows it; None where it is missing."""
        if path.startswith(SOURCE):
            entry = None if self.source is None else self.source.entry(path.removeprefix(SOURCE))
            return None if entry is None else short_checksum(entry)
        row = self._of_output[path].row
        if row.by_key and row.stage:
            return self.key(self._of_output[path])
        entry = self.files.entry(path)
        return None if entry is None else entry["key"] if row.by_key else short_checksum(entry)

    def inputs(self, artifact: Artifact) -> dict[str, Any]:
        """Return what ``artifact`` is made from, by name; the value of what is missing is None."""
        read = {path: self.value(path) for path in artifact.reads}
        return read | {"revision": artifact.row.revision, "options": dict(artifact.options)}

    def key(self, artifact: Artifact) -> str | None:
        """Return the digest of what ``artifact`` is made from; None where some of it is missing."""
        return _key_of(artifact, self.inputs(artifact))

    def ready_key(self, artifact: Artifact) -> str:
        """Return the key of an artifact all of whose inputs are there."""
        key = self.key(artifact)
        assert key is not None, f"'{artifact.path}' lacks something that it is made from."
        return key

    def entries(self, artifact: Artifact) -> list[Entry | None]:
        """Return what the manifest has of ``artifact``: of each of its outputs, or of each file of its folder."""
        if artifact.is_folder:
            return list(self.files.entries(artifact.path).values())
        return [self.files.entry(path) for path in artifact.outputs.values()]

    def state(self, artifact: Artifact) -> State:
        """Return the state of ``artifact`` by the manifest; no file is read."""
        if not artifact.row.stage:
            return State.MADE if self.files.has(artifact.path) else State.MISSING
        state = self._state(artifact)
        if state not in COMPLETE and any(self.cannot_be_read(path) for path in artifact.reads):
            return State.NOT_HERE
        return state

    def _state(self, artifact: Artifact) -> State:
        if artifact.is_folder:
            return self._state_of_folder(artifact)
        entries = [entry for entry in self.entries(artifact) if entry is not None]
        key = self._key_as_before(artifact, entries) if self.source is None else self.key(artifact)
        if len(entries) < len(artifact.outputs) or not all(map(self._is_there, artifact.outputs.values())):
            return State.MISSING
        if key is None or any(entry["key"] != key for entry in entries):
            return State.STALE
        states = [entry.get("state") for entry in entries]
        return State.LEFT_OUT if LEFT_OUT in states else State.NOTHING if states[0] == NOTHING else State.MADE

    def _state_of_folder(self, artifact: Artifact) -> State:
        key, entries = self.key(artifact), self.files.entries(artifact.path)
        held = {path: entry for path, entry in entries.items() if entry["key"] == key}
        if units_of(held) >= set(range(artifact.units)) and all(map(self._is_there, held)):
            return State.LEFT_OUT if any("state" in entry for entry in held.values()) else State.MADE
        if self.files.base is not None and entries and all(e.get("state") == LEFT_OUT for e in entries.values()):
            return State.LEFT_OUT  # of another revision, in a run that is only read
        return State.STALE if entries else State.MISSING

    def _key_as_before(self, artifact: Artifact, entries: Sequence[Entry]) -> str | None:
        """Return the key of ``artifact`` with what it took from another run, which is not here, as it was then."""
        inputs, before = self.inputs(artifact), entries[0].get("inputs", {}) if entries else {}
        for path in (path for path in artifact.reads if path.startswith(SOURCE)):
            inputs[path] = before.get(path)
            if path not in before:
                del inputs[path]  # it had none
        return _key_of(artifact, inputs)

    def _is_there(self, path: str) -> bool:
        """Return whether a file that is entered lies on the disk, or need not."""
        entry = self.files.entry(path)
        return entry is not None and ("state" in entry or self.files.has(path))

    def cannot_be_read(self, path: str) -> bool:
        """Return whether what lies at ``path`` was left out, or cannot be made here."""
        if path.startswith(SOURCE):
            return self.source is None
        found = self._of_output[path]
        if not found.is_folder and (entry := self.files.entry(path)) is not None:
            return entry.get("state") == LEFT_OUT
        return self.state(found) in (State.LEFT_OUT, State.NOT_HERE)

    def left(self, artifacts: Iterable[Artifact]) -> list[Artifact]:
        """Return those of ``artifacts`` that are to be made."""
        return [artifact for artifact in artifacts if self.state(artifact) in (State.MISSING, State.STALE)]

    def needed(self, paths: Iterable[str]) -> set[str]:
        """Return the names of the artifacts that files belong to, and of all that these lack to be made, at any
        remove."""
        names = {found.path for found in map(self.holding, paths) if found is not None}
        for name, artifact in reversed(self.artifacts.items()):  # what is read stands before who reads it
            if name in names and self.left([artifact]):
                lacks = filter(self._lacks, artifact.reads)
                names.update(self._of_output[path].path for path in lacks if path in self._of_output)
        return names

    def _lacks(self, path: str) -> bool:
        """Return whether what lies at ``path`` is missing, or is another than who reads it by its key takes it for."""
        read = self._of_output.get(path)
        # The key of what is read by it says what should lie there, and not that it does.
        stale = read is not None and read.row.by_key and bool(read.row.stage) and bool(self.left([read]))
        return stale or self.value(path) is None

    # making

    def make(self, artifacts: Sequence[Artifact], report: Callable[[Artifact, int, int], None]) -> None:
        """Make those of ``artifacts`` that are missing or stale.

        Args:
            report: called with an artifact that is to be made, its place and the number of all.

        Raises:
            BadRun: what one of them reads is missing.
        """
        for done, artifact in enumerate(artifacts):
            if self.left([artifact]):
                report(artifact, done, len(artifacts))
                self._require(artifact)
                assert artifact.row.make is not None, f"'{artifact.path}' is made by its stage."
                later = [one for one in artifacts[done + 1 :] if one.row.make is artifact.row.make]
                content = artifact.row.make(Reader(self, artifact, later))
                if content is not None:
                    self.enter(artifact, content)
            if artifact.pieces and self.state(artifact) in COMPLETE:  # a kill may have left them, too
                folder, piece = artifact.pieces.partition(ANY_UNIT)[0], _pattern(artifact.pieces)
                self.files.remove(*filter(piece.match, self.files.names(folder)))

    def enter(self, artifact: Artifact, content: Mapping[str, Content]) -> None:
        """Write what was made; ``content`` is by the paths in the row."""
        assert set(content) <= set(artifact.outputs), f"{artifact.path}: {set(content) - set(artifact.outputs)}"
        key, inputs = self.ready_key(artifact), self.inputs(artifact)
        for template, path in artifact.outputs.items():
            self.files.write(path, content.get(template), key, inputs)

    def _require(self, artifact: Artifact) -> None:
        for path in artifact.reads:
            if self._lacks(path):
                raise BadRun(
                    f"'{artifact.path}' is made from '{path}', which the run '{self.files.root}' lacks; "
                    f"`probing run --out {self.files.root}` makes it."
                )


class Reader:
    """What a maker is given: the files that its row reads, and no other; its binding; the scope of the plan.

    A maker that takes long writes the pieces that its row names.

    Args:
        plan: of the run.
        artifact: what is to be made.
        later: what the same maker will be asked for afterwards.
    """

    def __init__(self, plan: Plan, artifact: Artifact, later: Sequence[Artifact] = ()) -> None:
        self._plan, self._later, self.artifact = plan, later, artifact
        self.scope: Any = Facts(plan.scope, plan.hidden, artifact)
        self.binding = artifact.binding
        self._asked: set[str] = set()
        self.files = Declared(plan.files, artifact, self._asked)
        self.source = None if plan.source is None else Declared(plan.source, artifact, self._asked, SOURCE)

    def table(self, path: str) -> pd.DataFrame:
        """Return a table whole; the last few stay in memory. Shared: not to be changed."""
        name = path, self.files.checksum(path)
        tables = self._plan.tables
        if name not in tables:
            while len(tables) >= MAX_TABLES:
                tables.pop(next(iter(tables)))
            tables[name] = self.files.read_table(path)
        return tables[name]

    def kept(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returns, which stays in memory while files of the same binding are made. It is of files
        that every row reads that asks for ``name``."""
        binding, kept = self._plan.kept
        if binding != self.binding:
            binding, kept = self._plan.kept = self.binding, {}
        if name not in kept:
            before = set(self._asked)
            self._asked.clear()
            kept[name] = make(), set(self._asked)
            self._asked |= before
        value, asked = kept[name]
        for path in asked:
            self.artifact.require_read(path)
        return value

    @property
    def waiting(self) -> list[Reader]:
        """Readers of what the same maker will be asked for afterwards, as far as its inputs are there: it may write
        pieces of these, too."""
        left = self._plan.left(self._later)
        return [Reader(self._plan, one) for one in left if self._plan.key(one) is not None]

    @cached_property
    def _key(self) -> str:
        return self._plan.ready_key(self.artifact)

    def has_piece(self, unit: int) -> bool:
        """Return whether a piece is there that was made from the same inputs."""
        return self._plan.files.has(self.artifact.piece(unit), self._key)

    def write_piece(self, unit: int, content: Content) -> None:
        self._plan.files.write(self.artifact.piece(unit), content, self._key)

    def read_piece(self, unit: int) -> Any:
        """Return a piece as it was written: a table, or arrays by name."""
        path, files = self.artifact.piece(unit), self._plan.files
        assert self.has_piece(unit), f"'{path}' is not there, or was made from other inputs."
        return files.read_table(path) if path.endswith(PARQUET) else files.read_arrays(path)


class Facts:
    """The scope of a plan as a maker sees it: less what hands out files, which its row would not declare."""

    def __init__(self, scope: Any, hidden: Collection[str], artifact: Artifact) -> None:
        self._scope, self._hidden, self._artifact = scope, hidden, artifact

    def __getattr__(self, name: str) -> Any:
        assert name not in self._hidden, f"'{self._artifact.row.path}' takes '{name}' of the scope without saying so."
        return getattr(self._scope, name)


class Declared(Files):
    """The files of a run that one artifact may read. Another is refused: its key would not know of it.

    Of what its row reads, a run may have none: that alone is not there.

    Args:
        files: of the run.
        artifact: which one.
        asked: gets the paths that are asked for, as the artifact names them.
        prefix: of these paths: empty, or `SOURCE`.
    """

    def __init__(self, files: Files, artifact: Artifact, asked: set[str], prefix: str = "") -> None:
        self.root, self._files, self._artifact, self._asked, self._prefix = files.root, files, artifact, asked, prefix

    def _is_declared(self, name: str) -> bool:
        return self._artifact.is_read(f"{self._prefix}{name}")

    def entry(self, name: str) -> Entry | None:
        if self._is_declared(name) or not self._artifact.row.is_read(f"{self._prefix}{name}"):
            return self._files.entry(self._declared(name))
        return None

    def path(self, name: str) -> Path:
        return self._files.path(self._declared(name))

    def readable(self, name: str) -> Path:
        return self._files.readable(self._declared(name))

    def _declared(self, name: str) -> str:
        path = f"{self._prefix}{name}"
        self._artifact.require_read(path)
        self._asked.add(path)
        return name

    def entries(self, prefix: str) -> dict[str, Entry]:
        found = self._files.entries(prefix)
        return {self._declared(name): entry for name, entry in found.items() if self._is_declared(name)}


def _key_of(artifact: Artifact, inputs: Mapping[str, Any]) -> str | None:
    return None if None in inputs.values() else digest([artifact.row.path, inputs])


def _pattern(template: str) -> re.Pattern[str]:
    """Return what the paths of ``template`` match; of a folder, those of the files in it."""
    parts = PLACEHOLDER.split(template)
    inside = "".join("[^/]+" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile(inside if template.endswith("/") else f"{inside}$")


def units_of(paths: Iterable[str]) -> set[int]:
    """Return the units that files of a folder hold."""
    return {unit for first, last in map(units_at, paths) for unit in range(first, last + 1)}
