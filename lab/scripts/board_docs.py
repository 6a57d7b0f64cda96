"""Update the board: the result files of the included models, and the page docs/board.md (part of ``make docs``).

    python -m lab.scripts.board_docs

The results of the included models are read from the reference run. Their files in board/ are written again only if they
have changed. Files of other models are not modified.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from lab.devtools.commands import parser_of, put
from probing_core.errors import BadConfig
from probing_core.measures.notation import in_percent, percent_interval
from probing_core.models.hub import HUGGING_FACE
from probing_core.results.board import SUFFIX, Board, included_entries, read_board, status_of
from probing_core.results.board_entry import BoardEntry, QuickProtocol
from probing_core.results.ranking import SEED_SIGN
from probing_core.results.run import Run, open_run
from probing_core.run.layout import slug

ROOT = Path(__file__).resolve().parents[2]
FOLDER, PAGE = ROOT / "board", ROOT / "docs" / "board.md"
MARK = "<!-- generated: make docs, board -->"
PROJECT = "the probing authors"
"""Author of the results of the included models."""

REPOSITORY = re.compile(rf"{HUGGING_FACE}(?P<name>[\w.-]+/[\w.-]+)", re.ASCII)
COLUMNS = ("#", "Model", "Quick accuracy", "95% CI", "Compared with best encoder", "Objective", "Dimensions",
           "License", "Status", "Result")  # fmt: skip


def main() -> None:
    parser_of(__doc__).parse_args()
    update()


def update() -> None:
    run = open_run()
    write_included(run, FOLDER)
    board = read_board(run, FOLDER)
    for problem in board.problems:
        print(f"warning: {problem}")
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), MARK, table(board)), encoding="utf-8")


def write_included(run: Run, folder: Path) -> None:
    """Write the result files of the models of ``run``, and remove files of models that are no longer included."""
    protocol, today = QuickProtocol.of(run), datetime.now(UTC).date().isoformat()
    entries = included_entries(run, protocol)
    paths = {folder / f"{slug(model)}{SUFFIX}": entry for model, entry in entries.items()}
    for path, entry in paths.items():
        before = written(path, protocol)
        now = replace(entry, computed_by=PROJECT, date=before.date if before else today)
        if before is None or before.content != now.content:
            replace(now, date=today).write(path)
    for path in {*folder.glob(f"*{SUFFIX}")} - {*paths}:
        other = written(path, protocol)
        if other and other.computed_by == PROJECT:
            path.unlink()


def written(path: Path, protocol: QuickProtocol) -> BoardEntry | None:
    try:
        return BoardEntry.read(path, protocol)
    except BadConfig:
        return None


def table(board: Board) -> str:
    """Return the board as an HTML table that sortable.js sorts. All texts are escaped."""
    head = "".join(f"<th>{escape(title)}</th>" for title in COLUMNS)
    rows = "\n".join(f"<tr>{''.join(cells(row))}</tr>" for row in board.table.itertuples())
    return f'<table class="sortable">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'


def cells(row: Any) -> list[str]:
    """Return the cells of a row of `Board.table`. Numbers have an unformatted value to sort by."""
    place = "" if row.seed_of else str(row.place)
    name = f"{SEED_SIGN if row.seed_of else ''}<code>{escape(row.model)}</code>"
    file = f'<a href="../board/{escape(row.file)}">JSON</a>' if row.file else ""
    return [
        _cell(place, place or "999999"),
        _cell(linked(name, row.source, row.revision), escape(row.model)),
        _cell(in_percent(row.value, 1), f"{row.value:.6f}"),
        _cell(percent_interval(row.low, row.high), f"{row.low:.6f}"),
        _cell(escape(row.against)),
        _cell(escape(row.objective)),
        _cell(f"{row.dim:,}", str(row.dim)),
        _cell(escape(row.license)),
        _cell(escape(status_of(row))),
        _cell(file),
    ]


def linked(text: str, source: str, revision: str) -> str:
    """Return ``text`` as a link to weights on the Hugging Face Hub, or unchanged for weights from elsewhere."""
    repository = REPOSITORY.fullmatch(source)
    if repository is None:
        return text
    return f'<a href="https://huggingface.co/{repository["name"]}/tree/{revision or "main"}">{text}</a>'


def _cell(html: str, value: str = "") -> str:
    return f'<td data-value="{value}">{html}</td>' if value else f"<td>{html}</td>"


if __name__ == "__main__":
    main()
