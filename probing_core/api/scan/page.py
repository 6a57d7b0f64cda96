"""The page of a scan: every finding with a thumbnail, to sort, filter and open; one file that fetches nothing."""

from __future__ import annotations

import base64
import heapq
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from probing_core.api.scan.rows import UNREADABLE
from probing_core.detector.verdicts import ALARMS
from probing_core.measures.notation import decimal
from probing_core.run.store import write_atomically

PAGE = "index.html"
TEMPLATE = Path(__file__).with_name("page.html")

MAX_ROWS = 5000
"""Pictures on the page, the least likely to be untouched first; the tables hold all."""


def write_page(
    out: Path, folder: Path, chunks: Iterable[pd.DataFrame], counts: dict[str, int], about: list[str]
) -> None:
    """Write `PAGE`.

    Args:
        chunks: rows of all files, thumbnails included, a chunk at a time.
        counts: verdict -> how many files.
        about: sentences that stand on top.
    """
    from jinja2 import Environment

    worst = _least_likely(chunks)
    total = sum(counts.values())
    notes = [*about, f"{total:,} files; {', '.join(f'{count:,} {verdict}' for verdict, count in counts.items())}."]
    if len(worst) < total:
        notes.append(f"The page shows the {len(worst):,} that are least likely to be untouched; the tables hold all.")
    here = os.path.relpath(folder.resolve(), out.resolve())
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"Scan of {folder.name}", notes=notes, counts=counts, rows=[_row(row, here) for row in worst]
    )
    write_atomically(out / PAGE, page.encode(errors="replace"))


def _least_likely(chunks: Iterable[pd.DataFrame]) -> list[dict]:
    """Return `MAX_ROWS` rows: unreadable ones last, else by p and name."""
    records = (record for rows in chunks for record in rows.to_dict("records"))
    return heapq.nsmallest(MAX_ROWS, records, key=lambda row: (_or(row["p"], 2.0), row["path"]))


def _or(value: float, other: float) -> float:
    return other if np.isnan(value) else float(value)


def _row(row: dict[str, Any], here: str) -> dict[str, Any]:
    """Return what the page's template writes of a picture."""
    address = f"{here}/{row['path']}".replace(os.sep, "/")
    return {
        "path": row["path"],
        "verdict": row["verdict"],
        "kind": "found" if row["verdict"] in ALARMS else "bad" if row["verdict"] == UNREADABLE else "fine",
        "address": quote(address, errors="surrogateescape"),
        "picture": base64.b64encode(row["thumbnail"]).decode() if row["thumbnail"] else "",
        "done": f"{row['class']} ({row['group']})" if row["class"] else "",
        "numbers": [(repr(_or(row[name], 2.0)), decimal(row[name])) for name in ("p", "q")],
        "remark": row["error"] or row["flags"],
    }
