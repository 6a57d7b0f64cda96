"""The manifest of a run, and the journal of changes since the manifest was written.

Adding a file appends one line to the journal, so its cost does not depend on the number of files. At the end of a
stage, `Manifest.fold` merges the journal into a new manifest. A line is ``["path", {"bytes": ..., "key": ..., "sha256":
...}]``, ``["path", null]`` for a file that was removed, or ``["", {digest: options}]`` for option values. If a process
is killed, it may leave a truncated line, which is not valid JSON and is ignored. Each line begins with a line feed, so
the line after a truncated line is complete.

An entry contains the ``bytes``, ``key`` and ``sha256`` of its file. If the engine computed the file, it also contains
``inputs``, which maps the path of each dependency to its checksum or key. ``inputs`` also contains the code version
(``revision``) and the digest of the option values (``options``). If an entry has no file, its ``state`` is ``nothing``
(the asset has no content) or ``left out`` (the file was not shipped). ``pinned`` is true if the file was copied from
another run. Pinned files are never stale.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from probing_core.errors import BadRun, one_line
from probing_core.paths import require_confined
from probing_core.run.files import not_written, write_atomically
from probing_core.run.layout import FORMAT, JOURNAL, LOG, MANIFEST

Entry = dict[str, Any]
"""Manifest entry of a file. The module docstring describes its keys."""

NOTHING, LEFT_OUT = "nothing", "left out"

ENTRY_KEYS = {"bytes", "key", "sha256"}


def short_checksum(entry: Entry) -> str:
    """Return the first 16 hexadecimal digits of a file's checksum, as recorded in the inputs of its dependents."""
    return entry["sha256"][:16]


class Manifest:
    """The manifest entries of a run.

    Attributes:
        files: path -> entry.
        options: digest -> option values.
        copied_from: directory of the run from which this run was copied, or None.
        base: directory of a run whose files also belong to this run, or None. Only runs created by earlier versions
            have a base.

    Raises:
        BadRun: the manifest is corrupted.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, Entry] = {}
        self.options: dict[str, Any] = {}
        self.copied_from: str | None = None
        self.base: str | None = None
        self.read()

    def read(self) -> None:
        """Read the manifest and the journal from disk."""
        # Read the journal first: if another process merges it in the meantime, its lines are in the manifest.
        lines = list(_lines(self.root / JOURNAL))
        content = _read_manifest(self.root)
        self.files, self.options = content["files"], content.get("options", {})
        self.copied_from, self.base = content.get("copied_from"), content.get("base")
        self._apply(lines)
        require_confined([LOG, JOURNAL, *self.files], self.root)
        for name, entry in self.files.items():
            if name in (MANIFEST, JOURNAL) or name.startswith(f"{LOG}/") or not _is_sound(entry):
                raise _invalid(self.root, f"the entry {name!r:.200} is not allowed")

    def start_copy(self, source: str, files: Mapping[str, Entry], options: Mapping[str, Any]) -> None:
        """Write the manifest of a copy of the run in ``source``. Existing entries take precedence over ``files``."""
        self.copied_from, self.base = source, None
        self.files, self.options = {**files, **self.files}, {**options, **self.options}
        self._write()

    def note(self, options: Any) -> str:
        """Record ``options`` (JSON-serializable values) if they are new, and return their digest for use in entries."""
        name = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:16]
        if name not in self.options:
            self._append([("", {name: options})])
        return name

    def digest(self) -> str:
        """Return a digest of the entries in memory (16 hexadecimal digits)."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()[:16]

    def enter(self, entries: Iterable[tuple[str, Entry | None]]) -> None:
        """Add or replace entries, and remove entries that are None. Changes are written to the journal."""
        if entries := list(entries):
            self._append(entries)

    def _append(self, entries: list[tuple[str, Any]]) -> None:
        text = "".join(f"\n{json.dumps(entry, sort_keys=True)}\n" for entry in entries)
        path = self.root / JOURNAL
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as handle:
                handle.write(text.encode())
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise not_written(path, error) from error
        self._apply(entries)

    def _apply(self, entries: Iterable[tuple[str, Entry | None]]) -> None:
        for name, entry in entries:
            if not name:
                self.options.update(entry or {})
            elif entry is None:
                self.files.pop(name, None)
            else:
                self.files[name] = entry

    def fold(self) -> None:
        """Merge the journal into the manifest, if there is a journal.

        If the process is killed before the journal is removed, both files contain the same entries.
        """
        journal = self.root / JOURNAL
        if not journal.exists():
            return
        self.read()
        self._write()
        journal.unlink()

    def _write(self) -> None:
        referred = {entry.get("inputs", {}).get("options") for entry in self.files.values()}
        # Unreferenced options must also be removed here, or `note` would not record them again.
        self.options = {name: values for name, values in self.options.items() if name in referred}
        content: dict[str, Any] = {"format": FORMAT, "files": self.files}
        if self.options:
            content["options"] = self.options
        for name in ("copied_from", "base"):
            if (path := getattr(self, name)) is not None:
                content[name] = path
        write_atomically(self.root / MANIFEST, json.dumps(content, sort_keys=True, indent=1).encode())

    def clear(self) -> None:
        """Remove all entries."""
        self.files, self.options, self.copied_from, self.base = {}, {}, None, None
        for name in (MANIFEST, JOURNAL):
            (self.root / name).unlink(missing_ok=True)


def stamp(root: Path) -> str:
    """Return a value that changes whenever the manifest or the journal of the run ``root`` changes.

    The value is based on modification times and sizes, so it is fast to compute.

    Raises:
        BadRun: ``root`` is not a run, or its files cannot be accessed.
    """
    stamps = []
    for name in (MANIFEST, JOURNAL):
        try:
            status = (root / name).stat()
            stamps.append(f"{status.st_mtime_ns}-{status.st_size}")
        except FileNotFoundError:
            stamps.append("")
        except OSError as error:
            raise BadRun(f"The {MANIFEST} of the run '{root}' cannot be read: {one_line(error)}.") from error
    if not any(stamps):
        raise BadRun(f"'{root}' is not a run: it has no {MANIFEST}.")
    return "/".join(stamps)


def _read_manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    if not path.exists():
        return {"files": {}}
    try:
        content = json.loads(path.read_bytes())
        folders = (content.get("copied_from"), content.get("base")) if isinstance(content, dict) else ()
        if not all(isinstance(folder, str | None) and "\0" not in (folder or "") for folder in folders):
            raise TypeError("a folder is not a path")
        if not isinstance(content["files"], dict) or not isinstance(content.get("options", {}), dict):
            raise TypeError("'files' or 'options' is not an object")
        return content
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _invalid(root, one_line(error)) from error


def _invalid(root: Path, reason: str) -> BadRun:
    return BadRun(
        f"The manifest of the run '{root}' is invalid ({reason}). "
        f"Check that the folder is a run, or recompute the run in another folder."
    )


def _is_sound(entry: Any) -> bool:
    """Return whether the values of an entry have the expected types."""
    return (
        isinstance(entry, dict)
        and entry.keys() >= ENTRY_KEYS
        and isinstance(entry["bytes"], int)
        and isinstance(entry["key"], str)
        and isinstance(entry["sha256"], str)
        and entry.get("state", NOTHING) in (NOTHING, LEFT_OUT)
        and isinstance(inputs := entry.get("inputs", {}), dict)
        and isinstance(inputs.get("options", ""), str)
    )


def _lines(path: Path) -> Iterator[tuple[str, Entry | None]]:
    """Yield the name and the entry in each complete line of the journal at ``path``, in order."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    for line in content.split(b"\n"):
        try:
            name, entry = json.loads(line)
        except (ValueError, TypeError, RecursionError):  # empty or truncated
            continue
        is_valid = entry is None or (isinstance(entry, dict) and (not name or _is_sound(entry)))
        if isinstance(name, str) and is_valid:
            yield name, entry
