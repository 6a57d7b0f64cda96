"""Files of a run: keys, checksums, reading and writing.

A file is whole or absent: it is written to a temporary name, flushed to disk and renamed, and only then entered
into the manifest together with its key, the digest of every input that changes its bytes. A file that the manifest
does not know, or knows under another key, is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.errors import BadRun, RunBusy, one_line
from probing_core.runs.atomic import write_atomically
from probing_core.runs.layout import JOURNAL, LOCK, LOG, MANIFEST, TEMPORARY
from probing_core.runs.manifest import Manifest
from probing_core.runs.revisions import SCHEMA

MAPPED = {"F32": "<f4", "F16": "<f2"}
"""Types of safetensors that NumPy can map."""


def digest(recipe: Any) -> str:
    """Sixteen hex digits over ``recipe`` (JSON types) and the schema version: the key of an artefact."""
    text = json.dumps([SCHEMA, recipe], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """Reads and writes the files of one directory.

    Args:
        root: the run directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._manifest = Manifest(self.root)

    # reading

    def path(self, name: str) -> Path:
        return self.root / name

    def has(self, name: str, key: str | None = None) -> bool:
        """Whether ``name`` is complete, and made by the recipe of ``key`` where one is given."""
        entry = self._manifest.files.get(name)
        if entry is None or (key is not None and entry["key"] != key):
            return False
        try:
            return self.path(name).stat().st_size == entry["bytes"]
        except OSError:
            return False

    def names(self, prefix: str = "") -> list[str]:
        """Every file of the manifest under ``prefix``, sorted."""
        return sorted(name for name in self._manifest.files if name.startswith(prefix))

    def checksum(self, name: str) -> str:
        return self._manifest.files[name]["sha256"]

    def read_bytes(self, name: str) -> bytes:
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise BadRun(f"'{name}' of the run cannot be read: {one_line(error)}.") from error

    def read_table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        try:
            return pd.read_parquet(self.path(name), columns=columns)
        except Exception as error:  # pyarrow raises many kinds; each means that the file is not whole
            raise BadRun(
                f"'{name}' of the run cannot be read ({one_line(error)}); "
                f"`probing verify` lists what is damaged, `probing run` makes it again."
            ) from error

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        from safetensors.numpy import load_file

        return load_file(self.path(name))

    def read_array(self, name: str, array: str) -> np.ndarray:
        """One of the arrays in a file; the others are not read."""
        from safetensors import safe_open

        with safe_open(self.path(name), framework="numpy") as file:
            return file.get_tensor(array)

    def map_array(self, name: str, array: str) -> np.ndarray:
        """One of the arrays in a file, memory-mapped: only those of its rows are read that are used."""
        with open(self.path(name), "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            entry = json.loads(file.read(size))[array]
        if entry["dtype"] not in MAPPED or 0 in entry["shape"]:
            return self.read_array(name, array)
        start = 8 + size + entry["data_offsets"][0]
        return np.memmap(self.path(name), MAPPED[entry["dtype"]], "r", start, tuple(entry["shape"]))

    def array_names(self, name: str) -> list[str]:
        from safetensors import safe_open

        with safe_open(self.path(name), framework="numpy") as file:
            return list(file.keys())

    def read_toml(self, name: str) -> dict[str, Any]:
        try:
            return tomllib.loads(self.read_bytes(name).decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadRun(f"'{name}' of the run is not valid TOML: {one_line(error)}.") from error

    # writing

    def write_bytes(self, name: str, content: bytes, key: str) -> None:
        write_atomically(self.path(name), content)
        entry = {"bytes": len(content), "key": key, "sha256": hashlib.sha256(content).hexdigest()}
        self._manifest.enter([(name, entry)])

    def write_table(self, name: str, table: pd.DataFrame, key: str) -> None:
        buffer = io.BytesIO()
        # Whole numbers mostly count up: their differences take a tenth of what a dictionary of them does.
        whole = [column for column, kind in table.dtypes.items() if kind.kind in "iu"]
        table.to_parquet(
            buffer,
            index=False,
            compression="zstd",
            use_dictionary=[column for column in table if column not in whole],
            column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        )
        self.write_bytes(name, buffer.getvalue(), key)

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray], key: str) -> None:
        from safetensors.numpy import save

        self.write_bytes(name, save({k: np.ascontiguousarray(v) for k, v in arrays.items()}), key)

    def write_toml(self, name: str, content: Mapping[str, Any], key: str) -> None:
        import tomli_w

        self.write_bytes(name, tomli_w.dumps(content).encode(), key)

    def adopt(self, name: str, other: Store, key: str) -> None:
        """Copies a file of another run."""
        self.write_bytes(name, other.read_bytes(name), key)

    def remove(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)  # first: a kill in between leaves no unknown file
        self._manifest.enter([(name, None) for name in names])

    def clear(self) -> None:
        """Removes every file but the log, and what makes the folder a run."""
        names = self.names()
        self._manifest.clear()  # first: without it a run can be begun anew
        for name in names:
            self.path(name).unlink(missing_ok=True)

    # checking and repair

    def damage(self) -> list[str]:
        """One sentence for each file that is missing, changed, or unknown to the manifest."""
        found = []
        for name, entry in sorted(self._manifest.files.items()):
            path = self.path(name)
            if not path.is_file():
                found.append(f"'{name}' is in the manifest but missing.")
            elif _sha256(path) != entry["sha256"]:
                found.append(f"'{name}' does not have the checksum of the manifest: it was changed or damaged.")
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_dir() or name in (MANIFEST, JOURNAL) or name.startswith(f"{LOG}/"):
                continue
            if name not in self._manifest.files:
                found.append(f"'{name}' is not in the manifest: it does not belong to the run.")
        return found

    def clean(self) -> None:
        """Removes what a killed process left half done."""
        for path in self.root.rglob(f"*{TEMPORARY}"):
            path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for writing; a second writer is refused in one sentence."""
        try:
            self.path(LOG).mkdir(parents=True, exist_ok=True)
            lock = self.path(LOCK).open("w")
        except OSError as error:
            raise BadRun(
                f"Nothing can be written to '{self.root}' ({error.strerror or one_line(error)}); "
                f"make it writable, or choose another folder."
            ) from error
        with lock as handle:
            try:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # Windows has no flock; there, two writers are the user's to avoid
                pass
            except OSError as error:
                raise RunBusy(
                    f"Another process is writing to the run '{self.root}'; wait until it ends, or stop it first."
                ) from error
            self._manifest.read()
            self.fold()  # what a killed process had entered
            self.clean()
            try:
                yield
            finally:
                with suppress(BadRun):  # a full disk: what is complete stands in the journal
                    self.fold()

    def fold(self) -> None:
        """Writes what was entered since the last time into the manifest: at the end of a stage."""
        self._manifest.fold()


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def without_none(value: Any) -> Any:
    """``value`` as TOML can hold it: no null, no tuple."""
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value] if isinstance(value, list | tuple) else value
