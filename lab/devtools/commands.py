"""Helpers of the commands of `lab`: errors as sentences, separate environments, tables, pictures and output files."""

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
    """Return ``command`` as one that returns its exit status: after an error, one line on stderr and status 2."""

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
    """Return a parser whose help shows ``description``, a module's documentation, as it is written.

    Args:
        write: what the option ``--write`` changes; without it there is no such option.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if write:
        parser.add_argument("--write", action="store_true", help=f"into {write}")
    return parser


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def svg_of(figure: Figure, salt: str) -> str:
    """Return a figure of Matplotlib as an SVG, which has the same bytes every time; the figure is closed."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def publish(page: Path, mark: str, text: str, write: bool) -> None:
    """Print ``text``; with ``write`` it replaces what was behind ``mark`` on ``page``."""
    print(text, flush=True)
    if write:
        page.write_text(put(page.read_text(encoding="utf-8"), mark, text), encoding="utf-8")


def places() -> str:
    """Return the folders in which uv is searched: that of this Python first, since an environment that nobody activated
    has its uv there."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def uv_run(script: Path, *arguments: object) -> str:
    """Run ``script`` by ``uv run``, which makes the environment of its header and keeps it; return what it prints.

    Raises:
        ProbingError: uv is not installed.
        subprocess.CalledProcessError: the environment could not be made, or the script failed; stderr says why.
    """
    uv = shutil.which("uv", path=places())
    if uv is None:
        raise ProbingError(f"{script.name} needs uv, which makes its environment, and uv was not found: pip install uv")
    command = [uv, "run", str(script), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


END = "<!-- end of generated part -->"


def generated(page: str, begin: str) -> str:
    """Return the text of ``page`` between the mark ``begin`` and the next `END`."""
    return page.split(begin)[1].split(END, 1)[0].strip("\n")


def put(page: str, begin: str, text: str) -> str:
    """Return ``page`` with ``text`` between the mark ``begin`` and the next `END`."""
    before, after = page.split(begin)
    return f"{before}{begin}\n\n{text}\n\n{END}{after.split(END, 1)[1]}"


def put_row(page: Path, begin: str, head: str, order: Sequence[str], name: str, cells: str) -> None:
    """Print the row ``name`` of the table after ``begin`` on ``page``, and put it there; other rows stay.

    Args:
        head: of the table.
        order: of its rows; others are removed.
        cells: of the row, after its name.
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
    """Write ``rows`` into a Parquet file, replacing those with the same values in ``column``; other rows stay.

    Returns:
        The table as written: the rows that stay, then ``rows``.
    """
    if file.exists():
        earlier = pd.read_parquet(file)
        rows = pd.concat([earlier[~earlier[column].isin(rows[column])], rows], ignore_index=True)
    rows.to_parquet(file, index=False)
    return rows


def median_and_p95(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median, and the smallest time that 95 % of ``seconds`` do not exceed; nothing where there are none."""
    if not seconds:
        return {}
    p95 = np.quantile(seconds, 0.95, method="inverted_cdf")
    return {"median_s": round(float(np.median(seconds)), 3), "p95_s": round(float(p95), 3)}
