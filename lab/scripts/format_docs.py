"""The tables of docs/run-format.md that say what each file of a run is made from, and which pages show it.

The first is made from the table of runs, the second from what the pages read.
"""

from __future__ import annotations

from pathlib import Path

from dashboard.reads import EVERY_PAGE, pages_of

from lab.devtools.commands import put
from probing_core.run.engine import SOURCE, Row
from probing_core.run.graph import TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "run-format.md"
BEGIN = "<!-- generated: make docs, what each file is made from -->"
SHOWN = "<!-- generated: make docs, which pages show each file -->"


def file_table(rows: tuple[Row, ...] = TABLE.rows) -> str:
    """Return a Markdown table of ``rows``."""
    lines = ["| file | holds | stage | made from | depends on |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        beside = "".join(f", {shown(path)}" for path in row.beside)
        lines.append(
            f"| {shown(row.path)}{beside} | {row.holds} | {row.stage or 'none'} | {', '.join(map(shown, row.reads))} "
            f"| {', '.join(f'`{name}`' for name in row.options)} |"
        )
    return "\n".join(lines)


def page_table() -> str:
    """Return a Markdown table of the files that pages read, in the order of the table of runs."""
    lines = ["| file | pages |", "| --- | --- |"]
    for path in dict.fromkeys(path for row in TABLE.rows for path in row.outputs):
        if pages := pages_of(path):
            lines.append(f"| {shown(path)} | {'all' if path in EVERY_PAGE else ', '.join(pages)} |")
    return "\n".join(lines)


def shown(path: str) -> str:
    """Return ``path`` of a row as the page writes it."""
    name = path.removeprefix(SOURCE).replace("{model}", "<slug>").replace("{task}", "<task>")
    return f"`{name}`" + (" of the run with the probes" if path.startswith(SOURCE) else "")


def main() -> None:
    text = put(PAGE.read_text(encoding="utf-8"), BEGIN, file_table())
    PAGE.write_text(put(text, SHOWN, page_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
