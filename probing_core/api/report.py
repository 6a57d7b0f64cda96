"""A run as one file to send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from probing_core.errors import BadConfig
from probing_core.results.explorer import SharedFile, write_shared_file
from probing_core.results.run import Run, open_run
from probing_core.run.progress import SILENT, Progress


def write_report(
    run: Path | str | Run | None,
    out: Path | str,
    models: Sequence[str] | None = None,
    pictures: Literal["all", "none"] = "all",
    progress: Progress = SILENT,
) -> SharedFile:
    """Write the leaderboard, the claims and the explorer of ``run`` as one HTML file.

    Args:
        run: its directory; by default the reference run, which ships.
        models, pictures: as in `write_shared_file`.
        progress: receives first how many photographs of which license are in the file.

    Raises:
        BadConfig: ``out`` is not called .html.
        BadRun: there is no such run, or no model of it has both a map and predictions.
        UnknownName: the run has no such model.
    """
    out = Path(out)
    if out.suffix.lower() not in {".html", ".htm"}:
        raise BadConfig(f"A report is an HTML page, but '{out}' ends in '{out.suffix}'; call it {out.stem}.html.")

    def made(done: int, total: int) -> None:
        progress.update("report", done, total, "Pictures")

    return write_shared_file(open_run(run), out, models, pictures, progress.note, made)
