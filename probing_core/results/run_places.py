"""Find included runs and the user's runs."""

from __future__ import annotations

from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probing_core import paths
from probing_core.errors import BadRun
from probing_core.run import layout
from probing_core.run.run_files import RunFiles, copied_from

REFERENCE_RUN = "reference"
DEMO = "demo"

SCORES_SUFFIX = "/" + layout.scores_path("x").rpartition("/")[2]


@dataclass(frozen=True)
class RunPlace:
    """Location of a run, which may be incomplete.

    Attributes:
        name: unique name for menus and URLs.
        path: run directory.
        complete: whether the run has scores. If not, it is being computed or was interrupted.
    """

    name: str
    path: Path
    complete: bool


def find_runs(extra: Iterable[Path] = (), data: Path | None = None) -> list[RunPlace]:
    """Find runs from the command line, included runs (reference run first) and the user's runs (demo run first).

    Args:
        extra: run directories from the command line.
        data: folder that contains ``reference``, other included runs, and the folder ``runs``. By default, the data
            folder of the project is used, with user runs from `probing_core.paths.runs_dir`.
    """
    shipped = _folders(data or paths.data_dir(), REFERENCE_RUN)
    own_runs = _folders(data / "runs" if data else paths.runs_dir(), DEMO)
    places: dict[str, RunPlace] = {}
    visited: set[Path] = set()
    for path in [*extra, *shipped, *own_runs]:
        if not (path / layout.RECIPE).is_file():
            continue
        resolved = path.resolve()
        if resolved in visited:
            continue
        visited.add(resolved)
        name = unused_name(resolved.name, places)
        places[name] = RunPlace(name, path, (path / layout.SCORES).is_file())
    return list(places.values())


def unused_name(name: str, used: Container[str]) -> str:
    """Return ``name``, or ``name-2`` and so on if ``name`` is already used."""
    number, candidate = 2, name
    while candidate in used:
        candidate, number = f"{name}-{number}", number + 1
    return candidate


def _folders(root: Path, first: str) -> list[Path]:
    return sorted(root.iterdir(), key=lambda p: (p.name != first, p.name)) if root.is_dir() else []


def ranked_on(base: Path, extra_run: Path) -> int:
    """Count the distinct models that were added to copies of ``base``, over the user's runs and ``extra_run``."""
    joined: set[str] = set()
    for path in {path.resolve() for path in [*_folders(paths.runs_dir(), DEMO), extra_run]}:
        with suppress(BadRun):
            origin = copied_from(path)
            if origin is not None and origin.resolve() == base.resolve():
                files = RunFiles(path)
                names = (name for name in files.names(layout.MODELS) if name.endswith(SCORES_SUFFIX))
                joined.update(name for name in names if files.is_own(files.step_of(name) or ""))
    return len(joined)
