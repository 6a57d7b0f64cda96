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
"""The photographs that ship, and their license: they lie in the folder of the reference run."""


def data_dir() -> Path:
    """Return the folder of the files that ship with the project, the zoo's weights and the reference run: in the
    package, or in the checkout."""
    installed = PACKAGE / "data"
    return installed if installed.is_dir() else PACKAGE.parent / "data"


def reference_run() -> Path:
    """Return the path of the run that ships with the project, whether it is there or not."""
    return data_dir() / "reference"


def runs_dir() -> Path:
    """Return the folder for runs that name none of their own: ``data/runs`` of a checkout; for an installed package,
    the folder that the system keeps for a user's data."""
    data = data_dir()
    return user_data_path("probing-core", appauthor=False) / "runs" if data.parent == PACKAGE else data / "runs"


ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""Beginning of the address of a storage, also where a path was made of it; no drive of Windows does."""


def refuse_address(path: str | Path) -> None:
    """Refuse an address where a folder of this machine is needed.

    Raises:
        BadConfig: ``path`` is an address, such as ``s3://bucket/run``, where a folder of this machine is needed.
    """
    if ADDRESS.match(str(path)):
        raise BadConfig(
            "Runs at addresses of object storage are left for later: a run is written into a folder of this machine, "
            "or one that it mounts; name that, and copy the run when it is complete."
        )


def user_path(text: str | Path) -> Path:
    """Return ``text``, there or not, as a path; ``~`` is resolved.

    Raises:
        BadConfig: it cannot be a path on this machine, or may not be read.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error).rstrip(".")  # without the path once more
        raise BadConfig(f"'{str(text)[:100]}' cannot be used as a path ({reason}).") from error
    return path


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether ``path`` is a link out of ``folder``, which is resolved. A link to itself does not lead out."""
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder)
