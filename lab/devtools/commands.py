"""Helpers for commands in `lab`: error messages, separate environments, tables, figures and output files."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import numpy as np
import pandas as pd

from probing_core.errors import ProbingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")


def errors_in_a_line(command: Callable[P, None]) -> Callable[P, int]:
    """Wrap ``command`` so that it returns an exit status. Errors are printed as one line, with status 2."""

    @wraps(command)
    def status(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            command(*args, **kwargs)
        except (ProbingError, OSError, subprocess.CalledProcessError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0

    return status


def parser_of(description: str | None, write: str = "") -> argparse.ArgumentParser:
    """Return a parser whose help shows ``description``, usually a module docstring, without reformatting.

    Args:
        description: text of the help.
        write: files that the option ``--write`` updates. If empty, the option does not exist.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if write:
        parser.add_argument("--write", action="store_true", help=f"write the results to {write}")
    return parser


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--run``, which is parsed to ``options.arguments``, arguments of the dashboard."""
    parser.add_argument(
        "--run",
        dest="arguments",
        type=lambda run: ["--run", run],
        default=[],
        metavar="DIR",
        help="run to open (default: the first run that the dashboard lists)",
    )


def machine() -> dict[str, float]:
    """Return the number of cores and the load of this machine, which any measured times depend on."""
    return {"cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1)}


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def svg_of(figure: Figure, salt: str) -> str:
    """Return a Matplotlib figure as a reproducible SVG, and close the figure."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def publish(page: Path, mark: str, text: str, write: bool) -> None:
    """Print ``text``. With ``write``, also replace the generated part after ``mark`` on ``page``."""
    print(text, flush=True)
    if write:
        page.write_text(put(page.read_text(encoding="utf-8"), mark, text), encoding="utf-8")


def places() -> str:
    """Return the search path for uv. The folder of the current Python is first, because its environment may not be
    activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def uv_run(script: Path, *arguments: object) -> str:
    """Run ``script`` with ``uv run``, which creates and caches the environment in its header, and return its output.

    Raises:
        ProbingError: uv is not installed.
        subprocess.CalledProcessError: the environment could not be created, or the script failed.
    """
    uv = shutil.which("uv", path=places())
    if uv is None:
        raise ProbingError(f"{script.name} requires uv, which is not installed. Run `pip install uv`.")
    command = [uv, "run", str(script), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


END = "<!-- end of generated part -->"


def generated(page: str, begin: str) -> str:
    """Return the text of ``page`` between the mark ``begin`` and the next `END`."""
    return page.split(begin)[1].split(END, 1)[0].strip("\n")


def put(page: str, begin: str, text: str) -> str:
    """Return ``page`` with ``text`` between the mark ``begin`` and the next `END`."""
    before, after = page.split(begin)
    return f"{before}{begin}\n\n{text}\n\n{END}{after.split(END, 1)[1]}"


def put_row(page: Path, begin: str, head: str, order: Sequence[str], name: str, cells: str) -> None:
    """Print the row ``name`` of the table after ``begin`` on ``page``, and update it on the page.

    Args:
        head: header of the table.
        order: names of all rows in order. Other rows are removed.
        cells: cells of the row after its name.
    """
    text, row = page.read_text(encoding="utf-8"), f"| {name} | {cells} |"
    print(row, flush=True)
    lines = {
        row_name: line
        for line in generated(text, begin).splitlines()
        for row_name in order
        if line.startswith(f"| {row_name} |")
    }
    lines[name] = row
    table = [head, *(lines[row_name] for row_name in order if row_name in lines)]
    page.write_text(put(text, begin, "\n".join(table)), encoding="utf-8")


def replace_rows(file: Path, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Write ``rows`` to a Parquet file, replacing existing rows with the same values in ``column``.

    Returns:
        The new table: remaining existing rows, followed by ``rows``.
    """
    if file.exists():
        earlier = pd.read_parquet(file)
        rows = pd.concat([earlier[~earlier[column].isin(rows[column])], rows], ignore_index=True)
    rows.to_parquet(file, index=False)
    return rows


def median_and_p95(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and 95th percentile of ``seconds``, or an empty result for an empty list."""
    if not seconds:
        return {}
    p95 = np.quantile(seconds, 0.95, method="inverted_cdf")
    return {"median_s": round(float(np.median(seconds)), 3), "p95_s": round(float(p95), 3)}
