"""The page of a scan: every finding with a thumbnail, to sort, filter and open; one file that fetches nothing."""

from __future__ import annotations

import base64
import heapq
import os
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from probing_core.measures.notation import decimal
from probing_core.prediction.scan.rows import UNREADABLE
from probing_core.prediction.verdicts import UNTOUCHED
from probing_core.runs.store import write_atomically

PAGE = "index.html"
TEMPLATE = Path(__file__).with_name("page.html")

MOST = 5000
"""Pictures on the page, the least likely to be untouched first; the tables hold all."""


def write_page(
    out: Path, folder: Path, chunks: Iterable[pd.DataFrame], counts: dict[str, int], about: list[str]
) -> None:
    """`PAGE`.

    Args:
        chunks: rows of all files, thumbnails included, a chunk at a time.
        counts: verdict -> how many files.
        about: sentences that stand on top.
    """
    worst = _least_likely(chunks)
    total = sum(counts.values())
    notes = [*about, f"{total:,} files; {', '.join(f'{count:,} {verdict}' for verdict, count in counts.items())}."]
    if len(worst) < total:
        notes.append(f"The page shows the {len(worst):,} that are least likely to be untouched; the tables hold all.")
    here = os.path.relpath(folder.resolve(), out.resolve())
    buttons = "".join(
        f'<button type="button" data-verdict="{escape(verdict)}">{escape(verdict)} {count:,}</button>'
        for verdict, count in counts.items()
    )
    texts = {
        "%TITLE%": escape(f"Scan of {folder.name}"),
        "%NOTES%": "".join(f"<p>{escape(note)}</p>" for note in notes),
        "%BUTTONS%": buttons,
        "%ROWS%": "\n".join(_row(row, here) for row in worst),
    }
    page = re.sub("|".join(texts), lambda mark: texts[mark[0]], TEMPLATE.read_text(encoding="utf-8"))
    write_atomically(out / PAGE, page.encode(errors="replace"))


def _least_likely(chunks: Iterable[pd.DataFrame]) -> list[dict]:
    """`MOST` rows: unreadable ones last, else by p and name."""
    records = (record for rows in chunks for record in rows.to_dict("records"))
    return heapq.nsmallest(MOST, records, key=lambda row: (_or(row["p"], 2.0), row["path"]))


def _or(value: float, other: float) -> float:
    return other if np.isnan(value) else float(value)


def _row(row: dict, here: str) -> str:
    name, verdict = escape(row["path"]), row["verdict"]
    address = quote(f"{here}/{row['path']}".replace(os.sep, "/"), errors="surrogateescape")
    picture = base64.b64encode(row["thumbnail"]).decode() if row["thumbnail"] else ""
    image = f'<img loading="lazy" alt="" src="data:image/webp;base64,{picture}">' if picture else ""
    done = f"{row['class']} ({row['group']})" if row["class"] else ""
    kind = {UNTOUCHED: "fine", UNREADABLE: "bad"}.get(verdict, "found")
    numbers = "".join(f'<td data-sort="{_or(row[k], 2.0)!r}">{decimal(row[k])}</td>' for k in ("p", "q"))
    remark = escape(row["error"] or row["flags"])
    return (
        f'<tr data-verdict="{escape(verdict)}"><td>{image}</td><td><a href="{escape(address)}">{name}</a></td>'
        f'<td class="{kind}">{escape(verdict)}</td><td>{escape(done)}</td>{numbers}<td>{remark}</td></tr>'
    )
