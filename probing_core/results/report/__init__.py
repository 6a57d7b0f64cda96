"""A run as one HTML page that can be mailed: everything inside, nothing loaded from elsewhere.

The same run gives the same bytes. Figures are drawn by Plotly in the reader's browser, in light or dark as the reader
has it; tables are there without any script.
"""

from __future__ import annotations

from pathlib import Path

from probing_core.errors import BadConfig, BadRun
from probing_core.results import Run
from probing_core.results.report.page import render
from probing_core.results.report.sections import sections
from probing_core.run.store import write_atomically

__all__ = ["write_report"]


def write_report(run: Run, out: Path) -> None:
    """Write the page of ``run`` to ``out``.

    Raises:
        BadConfig: ``out`` is not called .html.
        BadRun: the run has no scores yet.
    """
    if out.suffix.lower() not in {".html", ".htm"}:
        raise BadConfig(f"A report is an HTML page, but '{out}' ends in '{out.suffix}'; call it {out.stem}.html.")
    if run.scores.empty:
        raise BadRun(f"The run '{run.path}' has no scores to report yet; `probing run --out {run.path}` makes them.")
    page = render(f"What the embeddings of '{run.name}' know", sections(run))
    write_atomically(out, page.encode())
