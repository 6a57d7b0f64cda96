"""``make docs``: writes what is generated in the documentation.

The table of transforms comes from the catalog; the README's table and verdicts come from the reference run, or, where
none ships, from the demo run (``make demo`` makes it).
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
    ("group-0", "seen", "group-hit-rate", "groups, members seen (rotation 0)"),
    ("group-0", "unseen", "group-hit-rate", "groups, members unseen (rotation 0)"),
    ("group-0", "far", "group-hit-rate", "far styles (rotation 0)"),
    ("content", "seen", "balanced-accuracy", "content"),
)
"""Columns of the README's table: task, subset, measure, title; those that the run does not have are left out."""


def main() -> None:
    transform_docs.main()
    runs = [Store(ROOT / "data" / name) for name in ("reference", "runs/demo")]
    run = next((run for run in runs if run.has("tables/scores.parquet")), None)
    if run is None:
        sys.exit("error: the README's table needs a run; `make demo` makes data/runs/demo.")
    page = ROOT / "README.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    parts = [score_table(run), *([claims_list(run)] if run.has("tables/claims.parquet") else [])]
    if run.has("tables/ablations.parquet"):
        parts.append(ablations_list(run))
    text = "\n\n".join(parts)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def score_table(run: Store) -> str:
    """A Markdown table of a run's main scores, best model first, with 95 % intervals."""
    scores = run.read_table("tables/scores.parquet")
    scores = scores[scores["probe"] == "linear"]
    cells: dict[str, dict[str, str]] = {}
    order: dict[str, float] = {}
    chances: dict[str, str] = {}
    for task, subset, measure, title in SHOWN:
        rows = scores[(scores[["task", "subset", "measure"]] == [task, subset, measure]).all(axis=1)]
        for row in rows.itertuples():
            order.setdefault(str(row.model), -row.value)
            interval = f"{100 * row.value:.0f} % ({100 * row.low:.0f} to {100 * row.high:.0f})"
            cells.setdefault(str(row.model), {})[title] = interval
            chances[title] = f"{100 * row.chance:.0f} %"
    head = f"| model | {' | '.join(chances)} |\n|{' --- |' * (len(chances) + 1)}"
    lines = [
        f"| `{model}` | {' | '.join(cells[model].get(title, '') for title in chances)} |"
        for model in sorted(cells, key=order.__getitem__)
    ]
    return "\n".join([head, *lines, f"| chance | {' | '.join(chances.values())} |"])


def claims_list(run: Store) -> str:
    """The claims with their verdicts and what they rest on, as a numbered list."""
    claims = run.read_table("tables/claims.parquet")
    return "\n".join(
        f"{n}. {r.claim} **{r.verdict.capitalize()}.** {r.evidence}" for n, r in enumerate(claims.itertuples(), 1)
    )


def ablations_list(run: Store) -> str:
    """What the ablations are worth, a line each."""
    rows = run.read_table("tables/ablations.parquet").dropna(subset=["p"])
    lines = [
        f"- `{r.first}` less `{r.second}`, {r.score}: {100 * r.effect:+.1f} points ({100 * r.low:.1f} to "
        f"{100 * r.high:.1f}), p {'< 0.001' if r.p_holm < 0.001 else f'= {r.p_holm:.3f}'}"
        for r in rows.itertuples()
    ]
    return "\n".join(["Ablations, each against its twin, with Holm's correction over the six:", "", *lines])


if __name__ == "__main__":
    main()
