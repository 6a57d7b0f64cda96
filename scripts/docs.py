"""``make docs``: writes what is generated in the documentation.

The table of transforms comes from the catalog, the table of the demo run in the README from ``data/runs/demo``
(``make demo``, or ``probing run --out data/runs/demo``, makes it).
"""

from __future__ import annotations

import sys
from pathlib import Path

from probing_core.store import Store
from scripts import transform_docs

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- generated: make docs -->", "<!-- end of generated part -->"
SHOWN = (
    ("fine", "all", "balanced-accuracy", "31 transformations"),
    ("group-0", "seen", "group-hit-rate", "groups, members seen"),
    ("group-0", "unseen", "group-hit-rate", "groups, members unseen"),
)
"""Columns of the README's table: task, subset, measure, title."""


def main() -> None:
    transform_docs.main()
    run = Store(ROOT / "data" / "runs" / "demo")
    if not run.has("tables/scores.parquet"):
        sys.exit("error: the README's table needs data/runs/demo; `probing run --out data/runs/demo` makes it.")
    page = ROOT / "README.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{demo_table(run)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def demo_table(run: Store) -> str:
    """A Markdown table of a run's main scores, best model first, with 95 % intervals."""
    scores = run.read_table("tables/scores.parquet")
    scores = scores[scores["probe"] == "linear"]
    lines, chances = [], []
    cells: dict[str, list[str]] = {}
    order: dict[str, float] = {}
    for task, subset, measure, _ in SHOWN:
        rows = scores[(scores[["task", "subset", "measure"]] == [task, subset, measure]).all(axis=1)]
        chances.append(f"{rows['chance'].iloc[0]:.0%}".replace("%", " %"))
        for row in rows.itertuples():
            order.setdefault(str(row.model), -row.value)
            cells.setdefault(str(row.model), []).append(
                f"{100 * row.value:.0f} % ({100 * row.low:.0f} to {100 * row.high:.0f})"
            )
    for model in sorted(cells, key=order.__getitem__):
        lines.append(f"| `{model}` | {' | '.join(cells[model])} |")
    head = f"| model | {' | '.join(title for *_, title in SHOWN)} |\n|{' --- |' * (len(SHOWN) + 1)}"
    return "\n".join([head, *lines, f"| chance | {' | '.join(chances)} |"])


if __name__ == "__main__":
    main()
