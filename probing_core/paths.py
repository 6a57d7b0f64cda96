"""Where the project's own data lies (zoo weights and the reference run), and what a user names a path."""

from __future__ import annotations

from pathlib import Path

from probing_core.errors import BadConfig, one_line


def data_dir() -> Path:
    """The folder ``data``: the installed place first, then the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "data"


def reference_run() -> Path:
    """The run that ships with the project; there or not."""
    return data_dir() / "reference"


def user_path(text: str | Path) -> Path:
    """``text``, there or not, as a path; ``~`` is resolved.

    Raises:
        BadConfig: it cannot be a path on this machine, or may not be looked at.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error).rstrip(".")  # without the path once more
        raise BadConfig(f"'{str(text)[:100]}' cannot be used as a path ({reason}).") from error
    return path
