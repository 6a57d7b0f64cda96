"""Paths of the shipped data and of a user's runs, and paths that a user names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformdirs import user_data_path

from probing_core.errors import BadConfig, one_line

PACKAGE = Path(__file__).resolve().parent

PHOTOGRAPHS = "photographs.parquet"
PHOTOGRAPHS_LICENSE = "LICENSE-photographs.md"
"""The license of the photographs that ship, in the folder of the reference run."""


def data_dir() -> Path:
    """Return the folder of the shipped files (weights of the zoo, reference run): in the package, or in the
    checkout."""
    installed = PACKAGE / "data"
    return installed if installed.is_dir() else PACKAGE.parent / "data"


def reference_run() -> Path:
    """Return the path of the run that ships with the project, even if it does not exist."""
    return data_dir() / "reference"


def runs_dir() -> Path:
    """Return the default folder for runs: ``data/runs`` of a checkout; of an installed package, the system's folder for
    a user's data."""
    data = data_dir()
    return user_data_path("probing-core", appauthor=False) / "runs" if data.parent == PACKAGE else data / "runs"


ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""Beginning of the address of a storage, also after it was turned into a path; no Windows drive matches."""


def refuse_address(path: str | Path) -> None:
    """Refuse an address where a folder of this machine is needed.

    Raises:
        BadConfig: ``path`` is an address, such as ``s3://bucket/run``.
    """
    if ADDRESS.match(str(path)):
        raise BadConfig(
            "Runs at addresses of object storage are left for later: a run is written into a folder of this machine, "
            "or one that it mounts; name that, and copy the run when it is complete."
        )


def user_path(text: str | Path) -> Path:
    """Return ``text`` as a path, which need not exist; ``~`` is resolved.

    Raises:
        BadConfig: it cannot be a path on this machine, or may not be read.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error).rstrip(".")  # without repeating the path
        raise BadConfig(f"'{str(text)[:100]}' cannot be used as a path ({reason}).") from error
    return path


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether ``path`` is a link out of ``folder``, which must be resolved. A link to itself does not lead
    out."""
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder)
