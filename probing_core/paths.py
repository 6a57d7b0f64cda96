"""Where the project's own data lies: zoo weights and the reference run."""

from __future__ import annotations

from pathlib import Path


def data_dir() -> Path:
    """The folder ``data``: the installed place first, then the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "data"
