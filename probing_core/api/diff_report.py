"""Report of `probing_core.diff`: one HTML page, CSV and Parquet."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pandas as pd

from probing_core.api.diff_results import Difference, Pair
from probing_core.diffs.comparison import Kind
from probing_core.errors import BadConfig
from probing_core.measures.notation import decimal, in_percent
from probing_core.results.csv_text import csv_text
from probing_core.run.files import write_atomically
from probing_core.run.layout import LOG

MARK = "diff.txt"
PAGE_FILE = "index.html"
PAIRS_FILE = "pairs"
MODELS_FILE = "models"
TEMPLATE = Path(__file__).with_name("diff.html")

MAX_ROWS = 2000
"""Maximum number of pairs listed on the HTML page. The CSV and Parquet files list all pairs."""


def write_report(out: Path, result: Difference, compared: str) -> None:
    """Write ``index.html``, and the tables ``pairs`` and ``models`` as CSV and Parquet, to the folder ``out``.

    Args:
        compared: names of what was compared, for the title.

    Raises:
        BadConfig: ``out`` contains other files.
        BadRun: the disk is full or not writable.
    """
    refuse_other_folder(out)
    write_atomically(out / MARK, b"Results of `probing diff`.\n")
    for name, table in ((PAIRS_FILE, result.table), (MODELS_FILE, result.effects)):
        write_atomically(out / f"{name}.csv", csv_text(table).encode(errors="replace"))
        write_atomically(out / f"{name}.parquet", _parquet(table))
    write_atomically(out / PAGE_FILE, _page(result, compared).encode(errors="replace"))


def refuse_other_folder(out: Path) -> None:
    """Raise `BadConfig` if a folder contains files that are not from a comparison."""
    if out.exists() and not out.is_dir():
        raise BadConfig(f"'{out}' is a file. Specify a folder for the report.")
    if out.is_dir() and {path.name for path in out.iterdir()} - {LOG} and not (out / MARK).exists():
        raise BadConfig(f"'{out}' contains other files. Choose an empty folder or the folder of an earlier report.")


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _page(result: Difference, compared: str) -> str:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shown = sorted(result.pairs, key=_order)[:MAX_ROWS]
    notes = result.lines[:-1] if result.models else result.lines
    if len(shown) < len(result.pairs):
        notes.append(f"This page lists {len(shown):,} of {len(result.pairs):,} pairs. The CSV file lists all pairs.")
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"Before and after: {compared}",
        notes=notes,
        models=[_model_row(effect) for effect in result.models],
        headings=[effect.title for effect in result.models],
        rows=[_row(pair, [effect.model for effect in result.models]) for pair in shown],
    )


def _order(pair: Pair) -> tuple[bool, float, float]:
    """Sort pairs for display: unreadable and unexplained pairs first, then by embedding shift."""
    return pair.kind is not Kind.UNREADABLE, -pair.unexplained, -max(pair.shifts.values(), default=0.0)


def _row(pair: Pair, models: list[str]) -> dict[str, Any]:
    has_share = pair.kind is Kind.CHANGED and bool(pair.edits)
    return {
        "name": pair.name,
        "kind": str(pair.kind),
        "images": [base64.b64encode(image).decode() for image in pair.thumbnails],
        "sentence": pair.sentence,
        "deviates": pair.deviates,
        "unexplained": in_percent(pair.unexplained, 1) if has_share else "",
        "unexplained_number": repr(float(pair.unexplained)) if has_share else "-1",
        "shifts": [_number(pair.shifts.get(model)) for model in models],
    }


def _number(value: float | None) -> tuple[str, str]:
    return ("-1", "") if value is None else (repr(float(value)), decimal(value, 2))


def _model_row(effect: Any) -> list[str]:
    values = [effect.title]
    for value, format in ((effect.shift, decimal), (effect.found, in_percent), (effect.recall, in_percent)):
        interval = "" if value.low != value.low else f" ({format(value.low)} to {format(value.high)})"
        values.append(f"{format(value.value)}{interval}")
    return values
