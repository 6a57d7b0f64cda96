"""Which files a run holds: the manifest, and the journal of what was entered since the manifest was written.

To enter a file is to append one line, which costs the same however many files there are; `Manifest.fold` writes both as
a new manifest at the end of a stage. A line is ``["path", {"bytes": ..., "key": ..., "sha256": ...}]``, or
``["path", null]`` for a file that was removed. A kill may cut a line off anywhere: what is left of it is no JSON, so
it counts for nothing, and since each line begins with a line feed of its own, the next one is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from probing_core.errors import BadRun, one_line
from probing_core.runs.atomic import not_written, write_atomically
from probing_core.runs.layout import JOURNAL, MANIFEST
from probing_core.runs.revisions import FORMAT

Entry = dict[str, Any]
"""Of one file: ``bytes``, ``key``, ``sha256``."""


class Manifest:
    """The entries of the files of one run.

    Args:
        root: the run directory.

    Raises:
        BadRun: the manifest is damaged.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, Entry] = {}
        self.read()

    def read(self) -> None:
        """Takes what lies on the disk; writes nothing."""
        # The journal first: whoever folds it meanwhile has put its lines into the manifest that is read after it.
        lines = list(_lines(self.root / JOURNAL))
        self.files = _read_manifest(self.root)
        self._apply(lines)

    def digest(self) -> str:
        """Sixteen hex digits that differ wherever a file does, of what was read: what lies on the disk may have changed
        since."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()[:16]

    def enter(self, entries: Iterable[tuple[str, Entry | None]]) -> None:
        """Enters files that are complete, or (None) are no more; once this returns, no kill undoes it."""
        entries = list(entries)
        if not entries:
            return
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
            if entry is None:
                self.files.pop(name, None)
            else:
                self.files[name] = entry

    def fold(self) -> None:
        """Writes journal and manifest as one; nothing where there is no journal.

        A kill before the journal is removed leaves lines that the manifest has already.
        """
        journal = self.root / JOURNAL
        if not journal.exists():
            return
        self.read()
        text = json.dumps({"format": FORMAT, "files": self.files}, sort_keys=True, indent=1)
        write_atomically(self.root / MANIFEST, text.encode())
        journal.unlink()

    def clear(self) -> None:
        """Forgets every file."""
        self.files = {}
        for name in (MANIFEST, JOURNAL):
            (self.root / name).unlink(missing_ok=True)


def stamp(root: Path) -> str:
    """Changes whenever a file of the run ``root`` does; quick to make.

    Raises:
        BadRun: there is no run.
    """
    found = []
    for name in (MANIFEST, JOURNAL):
        try:
            status = (root / name).stat()
            found.append(f"{status.st_mtime_ns}-{status.st_size}")
        except FileNotFoundError:
            found.append("")
        except OSError as error:
            raise BadRun(f"The run '{root}' has no {MANIFEST} that can be read: {one_line(error)}.") from error
    if not any(found):
        raise BadRun(f"'{root}' is not a run: it has no {MANIFEST}.")
    return "/".join(found)


def _read_manifest(root: Path) -> dict[str, Entry]:
    path = root / MANIFEST
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_bytes())["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadRun(
            f"The manifest of the run '{root}' is damaged ({one_line(error)}); "
            f"it is another program's, or the run has to be made again in another folder."
        ) from error


def _lines(path: Path) -> Iterator[tuple[str, Entry | None]]:
    """What the journal at ``path`` holds, in order, less lines that were cut off."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    for line in content.split(b"\n"):
        try:
            name, entry = json.loads(line)
        except (ValueError, TypeError):  # empty, or cut off
            continue
        if isinstance(name, str) and (entry is None or (isinstance(entry, dict) and entry.keys() == ENTRY_KEYS)):
            yield name, entry


ENTRY_KEYS = {"bytes", "key", "sha256"}
