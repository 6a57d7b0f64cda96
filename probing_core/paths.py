"""Paths of the included data and of user runs, and validation of user-supplied paths."""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformdirs import user_data_path

from probing_core.errors import BadConfig, one_line

PACKAGE = Path(__file__).resolve().parent

PHOTOGRAPHS_FILE = "photographs.parquet"
PHOTOGRAPHS_LICENSE = "LICENSE-photographs.md"
"""File in the reference run that contains the license of the included photographs."""


def data_dir() -> Path:
    """Return the folder of the included files (zoo weights, reference run) in the package or in the checkout."""
    installed = PACKAGE / "data"
    return installed if installed.is_dir() else PACKAGE.parent / "data"


def reference_run() -> Path:
    """Return the path of the reference run. The folder may be missing."""
    return data_dir() / "reference"


def runs_dir() -> Path:
    """Return the default folder for runs: ``data/runs`` in a checkout, or ``runs`` in the user data directory."""
    data = data_dir()
    return user_data_path("probing-core", appauthor=False) / "runs" if data.parent == PACKAGE else data / "runs"


ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""Pattern for the start of a URL, even after conversion to a path. Windows drive letters do not match."""


def refuse_address(path: str | Path) -> None:
    """Raise an error if ``path`` is a URL instead of a local folder.

    Raises:
        BadConfig: ``path`` is a URL, such as ``s3://bucket/run``.
    """
    if ADDRESS.match(str(path)):
        raise BadConfig(
            "Object storage URLs are not supported. Write the run to a local or mounted folder, and copy it to "
            "object storage when it is complete."
        )


def user_path(text: str | Path) -> Path:
    """Convert ``text`` to a path, and expand ``~``. The path need not exist.

    Raises:
        BadConfig: ``text`` is not a valid path on this machine, or permission is denied.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error).rstrip(".")  # without repeating the path
        raise BadConfig(f"'{str(text)[:100]}' cannot be used as a path ({reason}).") from error
    return path


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether ``path`` is a symbolic link to a target outside ``folder``.

    ``folder`` must be a resolved path. The result is False for a link to itself.
    """
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder)
