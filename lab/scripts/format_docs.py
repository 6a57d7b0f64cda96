"""Generate the table in docs/run-format.md that lists the inputs of each file of a run."""

from __future__ import annotations

from pathlib import Path

from lab.devtools.commands import markdown_table, put
from probing_core.run.definitions import GRAPH

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "run-format.md"
BEGIN = "<!-- generated: make docs, what each file is made from -->"


def file_table() -> str:
    lines = [
        [
            ", ".join(map(path_cell, asset.outputs)),
            asset.description,
            asset.stage or "none",
            ", ".join(map(path_cell, asset.dependency_paths)),
            ", ".join(f"`{option.name}`" for option in asset.options),
        ]
        for asset in GRAPH.assets
    ]
    return markdown_table(["file", "description", "stage", "dependencies", "options"], lines)


def path_cell(path: str) -> str:
    return f"`{path.replace('{model}', '<slug>').replace('{task}', '<task>')}`"


def main() -> None:
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), BEGIN, file_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
