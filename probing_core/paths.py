"""Paths of the included data and of user runs, and validation of user-supplied paths."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from platformdirs import user_data_path

from probing_core.errors import BadConfig, BadRun, one_line

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


def board_dir() -> Path:
    """Return the folder of the result files of the board in the package or in the checkout."""
    data = data_dir()
    return data / "board" if data.parent == PACKAGE else data.parent / "board"


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
        if "\0" in str(path):  # `Path.exists` accepts it
            raise ValueError("embedded null byte")
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error).rstrip(".")  # without repeating the path
        raise BadConfig(f"'{str(text)[:100]}' cannot be used as a path ({reason}).") from error
    return path


def looks_like_path(text: str) -> bool:
    """Return whether ``text`` is written like a path of any system, such as ``./photos`` or ``C:\\photos``."""
    without_drive = re.sub(r"^[A-Za-z]:(?=[/\\])", "", text)
    return ":" not in without_drive and (bool(re.search(r"[/\\]", without_drive)) or text.startswith((".", "~")))


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether ``path`` is a symbolic link to a target outside ``folder``.

    ``folder`` must be a resolved path. The result is False for a link to itself.
    """
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder)


DEVICES = frozenset(
    (
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "CONIN$",
        "CONOUT$",
        *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"),
    )
)
"""Names that Windows reserves for devices, with any extension."""


def confined(name: object, folder: Path) -> Path:
    """Return the path of the file ``name`` inside ``folder``.

    Call this function for each name that was read from a file, because the file may have been manipulated.

    Args:
        name: path relative to ``folder``, with forward slashes. The file need not exist.
        folder: folder that the file must not leave.

    Raises:
        BadRun: ``name`` is not a relative path inside ``folder``, or it leads outside through a link.
    """
    require_confined([name], folder)
    return folder / str(name)


def require_confined(names: Iterable[object], folder: Path) -> None:
    """Check that `confined` accepts each of ``names``. Each subfolder is only resolved once.

    Raises:
        BadRun: a name is not a relative path inside ``folder``, or it leads outside through a link.
    """
    root = Path(os.path.realpath(folder))

    @cache
    def is_inside(parent: str) -> bool:
        return Path(os.path.realpath(root / parent)).is_relative_to(root)

    for name in names:
        flaw = flaw_of_name(name)
        if not flaw:
            parent = str(name).rpartition("/")[0]
            try:
                is_link = not is_inside(parent) or leads_out(folder / str(name), root)
                flaw = "it is a link to a file outside" if is_link else ""
            except OSError as error:  # for example, the name is too long
                flaw = f"it cannot be used: {error.strerror}"
        if flaw:
            raise BadRun(
                f"{name!r:.200} is not a file inside the folder '{folder}' ({flaw}). "
                f"The folder was modified or is corrupted, so it cannot be used."
            )


def flaw_of_name(name: object) -> str:
    """Return why ``name`` cannot be a relative path inside any folder, or an empty string if it can."""
    if not isinstance(name, str):
        return "it is not a string"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if re.search(r"[\x00-\x1f\x7f\\\\:]", name):
        return "it contains a colon, a backslash or a control character"
    for part in name.split("/"):
        if not part.rstrip(". "):  # Windows ignores dots and spaces at the end
            return "it is an absolute path, or has an empty part or '..'"
        if part.partition(".")[0].rstrip().upper() in DEVICES:
            return "it is the name of a device"
    return ""


def refuse_links(folder: Path) -> None:
    """Check that ``folder`` and its subfolders have no pipes, devices or links that lead outside ``folder``.

    Call this function before writing to a folder that may be from somebody else. The folder need not exist.

    Raises:
        BadRun: a link leads outside, or a file is a pipe or a device.
    """
    root = Path(os.path.realpath(folder))
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(place, name)
            if flaw := _flaw_of_file(path, root):
                raise BadRun(
                    f"'{path.relative_to(root).as_posix()}' in the folder '{folder}' is {flaw}. Remove it, or use a "
                    f"different folder."
                )


def _flaw_of_file(path: Path, root: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # another process has renamed or removed the file
        return ""
    if stat.S_ISLNK(mode):
        return "a link to a place outside this folder" if leads_out(path, root) else ""
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a pipe or a device"
