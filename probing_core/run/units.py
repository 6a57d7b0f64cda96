"""Units: parts of a step that are kept if the process is killed.

The file ``units/<key>/unit-00003.<checksum>.safetensors`` contains one unit, where ``<key>`` is the key of the step.
While units are computed, they are joined into shards such as ``unit-00000-00007.<checksum>.safetensors``, to limit the
number of files. The checksum in the name shows whether a unit is intact. When all units are complete, they become the
files of the step, and the folder is removed.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.paths import require_confined
from probing_core.run.directory import Content, RunDirectory, write_to
from probing_core.run.files import write_atomically, write_tables
from probing_core.run.layout import ARRAYS, PARQUET, UNIT_FILE, UNIT_FILES, UNITS, units_at, units_name
from probing_core.run.run_files import FileRecord, Inputs, Record, sha256

Shard = tuple[int, int]
"""Indices of the first and last unit in one file."""

WrittenUnit = tuple[str, FileRecord]
"""Path and record of a unit file that has been written."""

MOVING = "files.json"
"""List of the files of a step that is written before the files are moved to their places."""

CHECKSUM_LETTERS = 16


class Units:
    """Completed units of one step.

    Args:
        step: name of the step, which must have been passed to `RunDirectory.needs`.
        shards: ranges of units that are joined into one file. By default, units are not joined.
    """

    def __init__(self, run: RunDirectory, step: str, inputs: Inputs, shards: Sequence[Shard] = ()) -> None:
        self._run, self.step, self.inputs = run, step, inputs
        self.folder = f"{UNITS}{run.key(step)}/"
        self._shard_of = {unit: shard for shard in shards for unit in range(shard[0], shard[1] + 1)}
        self._files: dict[Shard, WrittenUnit] = {}
        for name, file in self._finished().items():
            if UNIT_FILE.fullmatch(name.rpartition("/")[2]) and self._is_whole(*units_at(name)):
                self._files[units_at(name)] = name, file
        complete = {unit for first, last in self._files for unit in range(first, last + 1)}
        paths = sorted(_unit_files(run.root / self.folder), key=lambda path: _size(units_at(path.name)))
        for path in reversed(paths):  # shards first
            (first, last), file = units_at(path.name), FileRecord(path.stat().st_size, sha256(path))
            is_intact = path.name.split(".")[1] == file.sha256[:CHECKSUM_LETTERS]
            if is_intact and self._is_whole(first, last) and first not in complete:
                self._files[first, last] = f"{self.folder}{path.name}", file
                complete.update(range(first, last + 1))
            else:
                path.unlink(missing_ok=True)

    def _is_whole(self, first: int, last: int) -> bool:
        return first == last or self._shard_of.get(first) == (first, last)

    def _finished(self) -> dict[str, FileRecord]:
        """Return the intact files that are already in their place.

        They remain if a different file of the step was lost, or if the process was killed while files were moved.
        """
        if not self._shard_of:
            return {}
        record, root = self._run.records.get(self.step), self._run.root
        if record is not None and record.key == self._run.key(self.step) and self._run.is_own(self.step):
            return {path: file for path, file in record.files.items() if self._run.has(path)}
        try:
            moving = Record.from_json((root / self.folder / MOVING).read_bytes()).files
        except (OSError, ValueError):
            return {}
        require_confined(moving, root)
        return {
            path: file
            for path, file in moving.items()
            if (root / path).is_file() and sha256(root / path) == file.sha256
        }

    def missing(self, count: int) -> list[int]:
        """Return the indices of the units, out of ``count``, that have not been computed."""
        complete = {unit for first, last in self._files for unit in range(first, last + 1)}
        return [unit for unit in range(count) if unit not in complete]

    def paths(self) -> list[str]:
        """Return the paths of all files, in the order of the units."""
        return [self._files[units][0] for units in sorted(self._files)]

    def write(self, unit: int, content: Content) -> None:
        self.enter(write_unit(self._run.root, self.folder, (unit, unit), content))

    def enter(self, written: WrittenUnit) -> None:
        """Add a unit that was written by `write_unit`, possibly on another machine, and join its shard if complete."""
        units = units_at(written[0])
        self._files[units] = written
        self._join(self._shard_of.get(units[0], units))

    def _join(self, shard: Shard) -> None:
        """Join the units of a shard into one file, if all of them are complete."""
        members = [(unit, unit) for unit in range(shard[0], shard[1] + 1)]
        if shard in self._files or not all(member in self._files for member in members):
            return
        parts = [self._run.read_arrays(self._files[member][0]) for member in members]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self._files[shard] = write_unit(self._run.root, self.folder, shard, joined)
        for member in members:
            (self._run.root / self._files.pop(member)[0]).unlink(missing_ok=True)

    def save_table(self, path: str) -> None:
        """Complete the step with a table of the rows of all units. Nothing is written if there are no units."""
        paths = self.paths()
        tables = (self._run.read_table(unit) for unit in paths)
        self._run.save(self.step, self.inputs, {path: partial(write_tables, tables) if paths else None})
        self.remove()

    def save_files(self, folder: str) -> None:
        """Complete the step with the files of the units, which are moved to ``folder``."""
        for shard in dict.fromkeys(self._shard_of.values()):  # if the process was killed before it joined the units
            self._join(shard)
        sources = {f"{folder}{units_name(*units)}": written for units, written in sorted(self._files.items())}
        files = {path: file for path, (_, file) in sources.items()}
        moving = Record(self.step, self._run.key(self.step), self.inputs, files)
        write_atomically(self._run.root / self.folder / MOVING, moving.to_json())
        for path, (name, _) in sources.items():
            if name != path:
                (self._run.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self._run.root / name).replace(self._run.root / path)
        self._run.finish(self.step, self.inputs, files)
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self._run.root / self.folder, ignore_errors=True)


def completed_units(root: Path, key: str, count: int) -> set[int]:
    """Return the indices, below ``count``, of completed units of the step with this ``key``.

    Their files are not checked, so their names may contain any numbers.
    """
    places = [units_at(path.name) for path in _unit_files(root / UNITS / key)]
    return {unit for first, last in places for unit in range(first, min(last + 1, count))}


def write_unit(root: Path, folder: str, units: Shard, content: Content) -> WrittenUnit:
    """Write a unit or a shard to ``folder`` in the run directory ``root``.

    Returns:
        The path and the record of the file, for `Units.enter`.
    """
    buffer = io.BytesIO()
    write_to(buffer, content)
    data = buffer.getvalue()
    checksum = hashlib.sha256(data).hexdigest()
    suffix = PARQUET if isinstance(content, pd.DataFrame) else ARRAYS
    name = folder + _file_name(units, checksum, suffix)
    write_atomically(root / name, data)
    return name, FileRecord(len(data), checksum)


def _file_name(units: Shard, checksum: str, suffix: str) -> str:
    return f"{units_name(*units).removesuffix(ARRAYS)}.{checksum[:CHECKSUM_LETTERS]}{suffix}"


def _unit_files(folder: Path) -> list[Path]:
    """Return the files of units in ``folder``, except files that are being written, possibly on another machine."""
    return [path for path in folder.glob(UNIT_FILES) if UNIT_FILE.fullmatch(path.name) and path.is_file()]


def _size(units: Shard) -> int:
    return units[1] - units[0]
