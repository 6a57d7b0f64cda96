"""Generate the table in docs/glossary.md: ``python -m lab.scripts.glossary_docs``."""

from __future__ import annotations

from pathlib import Path

from dashboard.text import GLOSSARY
from lab.devtools.commands import markdown_table, put

PAGE = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"
BEGIN = "<!-- generated: python -m lab.scripts.glossary_docs -->"


def glossary_table() -> str:
    return markdown_table(["Term", "Definition"], [list(row) for row in GLOSSARY.items()])


def main() -> None:
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), BEGIN, glossary_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
