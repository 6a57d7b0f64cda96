"""Results of a scan: answers for all files, as CSV, Parquet and HTML."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.answers.answer import ANSWERS, FOUND, answer_in_words
from probing_core.answers.answer_sentences import ABOUT_ANSWER, ABOUT_P, ABOUT_Q, Edit, edit_cell, p_in_words
from probing_core.answers.reference_sets import ReferenceSets
from probing_core.api.scan_chunks import OF_SOURCE, REPEAT, Chunks, place_in_chunks, read_chunk
from probing_core.api.scan_columns import for_csv
from probing_core.api.scan_labels import LabelReport
from probing_core.errors import BadRun
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.notation import in_percent
from probing_core.results.csv_text import csv_text
from probing_core.run.files import readable, write_atomically, written_atomically

UNREADABLE = "unreadable"
"""Answer for files that are not images or are corrupted."""

FILE_ANSWERS = (*ANSWERS, PERHAPS_NO_PHOTOGRAPH, UNREADABLE)
"""Answers for files, in display order."""

TABLE_FILE = "verdicts.parquet"
CSV_FILE = "verdicts.csv"
PAGE_FILE = "index.html"
CHUNKS_FOLDER = "chunks"
TEMPLATE = Path(__file__).with_name("scan.html")
PROMISE_KEY = b"promise"
PLACES_KEY = b"chunks"

VERDICT_COLUMNS = {
    "path": pa.string(),
    "edited": pa.float64(),
    "answer": pa.string(),
    "group": pa.string(),
    "class": pa.string(),
    "p": pa.float64(),
    "q": pa.float64(),
    "n": pa.int64(),
    "group_probability": pa.float64(),
    "class_probability": pa.float64(),
    "no_color": pa.bool_(),
    "width": pa.int64(),
    "height": pa.int64(),
    "flags": pa.string(),
    "error": pa.string(),
}
"""Columns of the CSV and the Parquet file, one row per file."""

SMALLEST_Q = 0.001
"""Smallest false discovery rate that is displayed exactly."""

MAX_ROWS = 1000
"""Maximum number of files listed on the HTML page. The CSV and Parquet files list all files."""

ABOUT_LIST = "Files are sorted by q, the false discovery rate, or by p-value if q was not computed."
ABOUT_GRAY = (
    "Images without color are compared with color photographs converted to grayscale, not with original grayscale "
    "photographs, so their false discovery rate is not guaranteed. It cannot be determined whether color was removed "
    "from these images, so the answers are about all other edits."
)


@dataclass(frozen=True, eq=False)
class Results:
    """Answers for all files of a scan, in the order of the source.

    Attributes:
        chunks: measurements of the files.
        judged: one row per file with ``p``, ``n``, ``edited``, ``answer``, ``q`` and ``no_color``.
        errors: one error message for each file that cannot be read.
        lengths: number of images in each chunk.
    """

    chunks: Chunks
    judged: pd.DataFrame
    errors: tuple[str, ...]
    lengths: list[int]

    @classmethod
    def of(cls, chunks: Chunks, sets: ReferenceSets, with_q: bool) -> Results:
        columns = ["large", "no_color", "is_flat", "whole", "joined", "error"]
        parts = list(chunks.read(columns))
        rows = pd.concat(parts, ignore_index=True)
        judged = sets.judge(rows).assign(no_color=rows["no_color"], q=np.nan)
        judged.loc[rows["error"] != "", ["answer", "n"]] = UNREADABLE, 0
        if with_q:
            for no_color in (False, True):  # separately, because q is only guaranteed for images with color
                selected = (judged["no_color"] == no_color) & counted(judged)
                judged.loc[selected, "q"] = false_discovery_rates(judged.loc[selected, "p"].to_numpy())
        return cls(chunks, judged, tuple(rows.loc[rows["error"] != "", "error"]), list(map(len, parts)))

    @property
    def counts(self) -> dict[str, int]:
        counts = Counter(self.judged["answer"])
        return {answer: counts[answer] for answer in FILE_ANSWERS if answer in counts}

    def flagged_in_words(self, level: float) -> str:
        """Format the number of images with a p-value of at most ``level`` as a sentence."""
        p = self.judged.loc[counted(self.judged), "p"]
        flagged = f"Flagged images (p-value of at most {level:g}): {int((p <= level).sum()):,} of {len(p):,}."
        flat = int((self.judged["answer"] == PERHAPS_NO_PHOTOGRAPH).sum())
        return f"{flagged} Images that may not be photographs are not counted ({flat:,})." if flat else flagged

    def rows(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows of each chunk, with measurements, answers and, for edited images, the most probable edit."""
        start = 0
        for measured in self.chunks.read(columns):
            judged = self.judged.iloc[start : start + len(measured)]
            start += len(measured)
            rows = measured.assign(**{str(name): judged[name].to_numpy() for name in judged})
            rows.loc[~rows["answer"].isin(FOUND), ["group", "class"]] = ""
            rows.loc[~rows["answer"].isin(FOUND), ["group_probability", "class_probability"]] = np.nan
            yield rows


def counted(judged: pd.DataFrame) -> pd.Series:
    """Return whether each image has a p-value and is not an image that may not be a photograph."""
    return judged["p"].notna() & (judged["answer"] != PERHAPS_NO_PHOTOGRAPH)


def false_discovery_rates(p: np.ndarray) -> np.ndarray:
    """Compute q-values (n,) from p-values (n,) using the Benjamini–Hochberg procedure."""
    from scipy.stats import false_discovery_control

    return false_discovery_control(p) if len(p) else p


def write_tables(out: Path, results: Results, promise: str) -> None:
    """Write `CSV_FILE` and `TABLE_FILE`, with ``promise`` in the Parquet metadata.

    Raises:
        BadRun: the disk is full or not writable.
    """
    places = json.dumps([results.chunks.names, results.lengths]).encode()
    verdicts, of_source = pa.schema(list(VERDICT_COLUMNS.items())), results.chunks.source_columns()
    names = [f"{OF_SOURCE}{name}" if name in VERDICT_COLUMNS else name for name in of_source]
    fields = [*verdicts, *map(pa.field, names, of_source.values())]
    schema = pa.schema(fields, metadata={PROMISE_KEY: promise.encode(), PLACES_KEY: places})
    columns = [name for name in VERDICT_COLUMNS if name not in results.judged or name == "no_color"]
    with (
        written_atomically(out / TABLE_FILE) as parquet,
        pq.ParquetWriter(parquet, schema) as file,
        written_atomically(out / CSV_FILE) as csv,
    ):
        parts = zip(results.rows(columns), results.chunks.read_source(of_source), strict=True)
        for i, (rows, source) in enumerate(parts):
            table = pa.Table.from_pandas(rows[list(VERDICT_COLUMNS)], schema=verdicts, preserve_index=False)
            frame = rows[list(VERDICT_COLUMNS)].reset_index(drop=True)
            for name, column in zip(names, source.columns, strict=True):
                frame[name] = for_csv(column).to_pandas()
            csv.write(csv_text(frame, header=i == 0).encode())
            file.write_table(pa.Table.from_arrays([*table.columns, *source.columns], schema=schema))


def promise_of(out: Path) -> str:
    """Read the statement on whether the error rates of the scan in ``out`` are guaranteed.

    Raises:
        BadRun: the table does not exist or is corrupted.
    """
    return _metadata(out).get(PROMISE_KEY, b"").decode(errors="replace")


def _metadata(out: Path) -> dict[bytes, bytes]:
    with readable(out / TABLE_FILE, TABLE_FILE, REPEAT):
        return pq.read_schema(out / TABLE_FILE).metadata or {}


def read_verdicts(out: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read ``columns`` of the scan table in ``out``.

    Raises:
        BadRun: the table does not exist, is corrupted, or has different types.
    """
    with readable(out / TABLE_FILE, TABLE_FILE, REPEAT):
        table = pq.read_table(out / TABLE_FILE, columns=list(columns), partitioning=None).select(list(columns))
        return table.cast(pa.schema([(name, VERDICT_COLUMNS[name]) for name in columns])).to_pandas()


def thumbnails_of(out: Path, rows: Sequence[int]) -> list[bytes]:
    """Return WebP thumbnails for ``rows`` of the scan table in ``out``. Missing thumbnails are empty bytes."""
    thumbnails = [b""] * len(rows)
    try:
        names, lengths = _places(out)
    except BadRun:
        return thumbnails
    chunks: dict[int, list[bytes | None]] = {}
    for i, row in enumerate(rows):
        chunk, place = place_in_chunks(lengths, row)
        if chunk < len(names) and chunk not in chunks:
            chunks[chunk] = []
            with suppress(BadRun):  # missing or corrupted, although the table exists
                chunks[chunk] = read_chunk(out / CHUNKS_FOLDER, names[chunk], ["thumbnail"])["thumbnail"].to_pylist()
        images = chunks.get(chunk, [])
        thumbnails[i] = (place < len(images) and images[place]) or b""
    return thumbnails


def _places(out: Path) -> tuple[list[str], list[int]]:
    """Return the names of the chunks of a scan, and the number of rows in each chunk."""
    with readable(out / TABLE_FILE, TABLE_FILE, REPEAT):
        names, lengths = json.loads(_metadata(out)[PLACES_KEY])
        if not all(type(length) is int and length >= 0 for length in lengths):
            raise TypeError("the lengths of chunks are not numbers")
        return list(names), list(lengths)


def listed(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort ``rows`` for display: by q, p and probability, with files without an answer last."""
    order = rows.assign(_last=~rows["answer"].isin(ANSWERS), _edited=-rows["edited"].fillna(0.0))
    return rows.loc[order.sort_values(["_last", "q", "p", "_edited", "path"], na_position="last").index]


def edit_of_row(row: Mapping[Any, Any]) -> Edit | None:
    """Return the most probable edit in a row of the scan table, or None if no edit was detected."""
    probabilities = float(row["group_probability"]), float(row["class_probability"])
    return Edit(row["group"], row["class"], *probabilities) if row["group"] else None


def cells_of(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the table cells for a row: ``answer``, ``edit``, ``p``, ``q`` and ``remark``.

    Unreadable files and images that may not be photographs have only an answer and a remark.
    """
    remark = row["error"] or "; ".join(f for f in row["flags"].split("; ") if f not in (PERHAPS_NO_PHOTOGRAPH, "large"))
    cells = {"answer": row["answer"], "edit": "", "p": "", "q": "", "remark": remark}
    if row["answer"] not in ANSWERS:
        return cells
    return cells | {
        "answer": answer_in_words(row["answer"], row["edited"], bool(row["no_color"])),
        "edit": edit_cell(row["answer"], edit_of_row(row)),
        "p": p_in_words(row["p"], int(row["n"])),
        "q": _q_in_words(row["q"]),
    }


def _q_in_words(q: float) -> str:
    if pd.isna(q):
        return ""
    return in_percent(q, 1) if q >= SMALLEST_Q else f"<{in_percent(SMALLEST_Q, 1)}"


def write_page(out: Path, title: str, results: Results, about: list[str], labels: LabelReport | None = None) -> None:
    """Write the HTML page `PAGE_FILE`.

    Args:
        out: folder for the page.
        title: name of the scanned source.
        results: answers for all files.
        about: paragraphs at the top of the page.
        labels: what the files reveal about their labels; None if they have no labels.
    """
    from jinja2 import Environment

    columns = [name for name in VERDICT_COLUMNS if name not in results.judged] + ["thumbnail"]
    parts: list[pd.DataFrame] = []
    for rows in results.rows(columns):  # thumbnails of all files may not fit in memory
        parts = [listed(pd.concat([*parts, rows], ignore_index=True)).head(MAX_ROWS)]
    first_rows = parts[0]
    total, counts = len(results.judged), results.counts
    notes = [*about, ABOUT_LIST, ABOUT_ANSWER]
    notes.append(f"Files: {total:,} ({', '.join(f'{count:,} {answer}' for answer, count in counts.items())}).")
    if len(first_rows) < total:
        notes.append(f"This page lists the first {len(first_rows):,} files. The CSV and Parquet files list all files.")
    gray = first_rows["no_color"] & first_rows["answer"].isin(ANSWERS)
    tables = [("Images", "", first_rows[~gray]), ("Images without color", ABOUT_GRAY, first_rows[gray])]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"Scan of {title}",
        notes=notes,
        counts=counts,
        labels=labels,
        about_p=ABOUT_P,
        about_q=ABOUT_Q if results.judged["q"].notna().any() else "",
        tables=[(name, note, [_page_row(row) for row in rows.to_dict("records")]) for name, note, rows in tables],
    )
    write_atomically(out / PAGE_FILE, page.encode(errors="replace"))


def _page_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    cells = cells_of(row)
    kinds = {**dict.fromkeys(FOUND, "found"), UNREADABLE: "bad"}
    return cells | {
        "path": row["path"],
        "word": row["answer"],
        "kind": kinds.get(row["answer"], "fine"),
        "picture": base64.b64encode(row["thumbnail"]).decode() if row["thumbnail"] else "",
        "numbers": [(_sort_key(row[name]), cells[name]) for name in ("p", "q")],
        "edited": _sort_key(-row["edited"]),
    }


def _sort_key(number: float) -> str:
    return "2.0" if np.isnan(number) else repr(float(number))
