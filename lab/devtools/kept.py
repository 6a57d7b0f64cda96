"""Cache for expensive fixtures, which are created once for all processes and reused in later pytest runs.

Fixtures are stored in ``.pytest_cache/made``, in a folder named after a hash of the sources and libraries on which they
depend. Fixtures that were modified are created again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".pytest_cache" / "made"

READERS = ("charts", "cli", "results")
"""Packages that do not affect the files of a run."""

OTHERS = (
    *("lab/devtools/kept.py", "lab/devtools/made_run.py", "lab/devtools/scenes.py"),
    *("tests/conftest.py", "tests/made_detector.py", "tests/made_studies.py"),
)
LIBRARIES = (
    *("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "scikit-image", "opencv-python-headless", "pillow"),
    *("torch", "safetensors"),
)
FORGOTTEN_S = 3600
"""Age after which fixtures of other sources are removed, since another pytest run may still use them."""


def sources() -> str:
    """Return a hash of the sources, the libraries and the number of cores."""
    core = ROOT / "probing_core"
    files = [path for path in core.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in files if path.relative_to(core).parts[0] not in READERS]
    sha = hashlib.sha256()
    for path in sorted([*files, *(ROOT / name for name in OTHERS)]):
        sha.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    sha.update(json.dumps([[name, version(name)] for name in LIBRARIES]).encode())
    sha.update(str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()).encode())
    return sha.hexdigest()[:16]


AT_START = sources()
"""Those of the modules that this process has imported, or will unless somebody edits them meanwhile."""


def cached_folder(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder that ``make`` fills. It is shared by all processes and must not be modified."""
    place = FOLDER / AT_START / name
    files = place.with_name(f"{name}.json")
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not (files.exists() and json.loads(files.read_text(encoding="utf-8")) == _sizes(place)):
            _forget()
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            if sources() == AT_START:
                files.write_text(json.dumps(_sizes(place)), encoding="utf-8")
    return place


def copy_of(name: str, make: Callable[[Path], object], out: Path) -> Path:
    """Copy the folder that ``make`` fills to ``out``, which may be modified, and return ``out``."""
    return Path(shutil.copytree(cached_folder(name, make), out))


def _sizes(place: Path) -> dict[str, int]:
    return {str(path.relative_to(place)): path.stat().st_size for path in sorted(place.rglob("*")) if path.is_file()}


def _forget() -> None:
    for folder in FOLDER.iterdir():
        if folder.name != AT_START and folder.stat().st_mtime < time.time() - FORGOTTEN_S:
            shutil.rmtree(folder, ignore_errors=True)
