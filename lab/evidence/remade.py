"""Differences between recomputed scores and the reference run: ``python -m lab.evidence.remade RUN [--write]``.

RUN is the result of ``probing run --corpus reference --models MODEL --out RUN``. The command prints, as Markdown, the
differences between its scores and the scores of the same models in the reference run. ``--write`` updates the table in
docs/precision.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from probing_core.compute.task_names import VARIANCE
from probing_core.errors import BadRun
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.results.summaries import VALUE_COLUMNS, pick
from probing_core.run.layout import table_path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "precision.md"
MARK = "<!-- generated: python -m lab.evidence.remade -->"
LIMIT = 0.3
"""Expected maximum difference, in percentage points, between scores that were computed on different machines."""

SAME = 1e-10
"""Difference in percentage points up to which scores count as equal. Summation order causes such differences."""

KEYS = ("model", "task", "probe", "subset", "measure", "layer", "part", "transform", "strength", "k", "gallery")
"""Columns that identify a score in a table."""

HEAD = (
    *("model", "scores", "number of scores", "identical", "largest difference (percentage points)"),
    f"more than {LIMIT} percentage points",
)


def differences(new: pd.DataFrame, shipped: pd.DataFrame) -> pd.Series:
    """Return the absolute differences, in percentage points, between scores of ``new`` and ``shipped`` with the same
    `KEYS`.

    Raises:
        BadRun: the tables contain different scores.
    """
    keys = [name for name in KEYS if name in shipped and name in new]
    new_values, shipped_values = (table.set_index(keys)["value"].sort_index() for table in (new, shipped))
    if not new_values.index.equals(shipped_values.index):
        raise BadRun("The runs contain different scores. Compute the run with `--corpus reference`.")
    return 100 * (new_values - shipped_values).abs()


def parts(run: Run, shipped: Run, model: str) -> dict[str, pd.Series]:
    """Return the differences in the scores of a model by type of score. Studies that the run lacks are omitted."""

    def of(read: Callable[[Run], pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
        new, old = (read(opened) for opened in (run, shipped))
        return new[new["model"] == model], old[old["model"] == model]

    scores = differences(*of(lambda opened: opened.probe_scores)).reset_index()
    linear = scores["probe"] == "linear"
    is_accuracy = linear & (scores["measure"] == "balanced-accuracy")
    kinds = {
        "linear probes, balanced accuracy": is_accuracy,
        "linear probes, other scores": linear & ~is_accuracy,
        "k-NN probes": scores["probe"].str.startswith("knn"),
        "MLP probes": scores["probe"].str.startswith("mlp"),
    }
    by_kind = {kind: scores.loc[chosen, "value"] for kind, chosen in kinds.items()}
    studies = {
        "linear probes on each layer": lambda opened: pick(
            opened.table(table_path("layers")), task=("fine", "content")
        ),
        "variance components of each layer": variance_of_layers,
        "retrieval recall": lambda opened: opened.table(table_path("retrieval")),
    }
    return by_kind | {kind: differences(*of(read)) for kind, read in studies.items() if not read(run).empty}


def variance_of_layers(run: Run) -> pd.DataFrame:
    """Return the fractions of variance of every layer in the table of layers."""
    rows = run.table(table_path("layers"))
    if not rows.empty:
        rows = rows[rows["task"].str.startswith(VARIANCE)]
        rows = rows.assign(part=rows["task"].str.removeprefix(VARIANCE))
    return rows if rows.empty else rows[["model", "layer", "pooling", "part", *VALUE_COLUMNS, "images"]]


def table_of(run: Run, shipped: Run) -> str:
    """Return a Markdown table of the differences for all models of ``run``.

    Raises:
        BadRun: the reference run lacks a model.
    """
    lines = []
    for model in run.models["name"]:
        if model not in set(shipped.models["name"]):
            raise BadRun(f"The reference run does not contain '{model}'.")
        for kind, points in parts(run, shipped, model).items():
            equal, beyond = int((points <= SAME).sum()), int((points > LIMIT).sum())
            lines.append([f"`{model}`", kind, str(len(points)), str(equal), f"{points.max():.2f}", str(beyond)])
    return markdown_table(HEAD, lines)


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/precision.md")
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    publish(PAGE, MARK, table_of(Run.open(options.run), Run.open(reference_run())), options.write)


if __name__ == "__main__":
    sys.exit(main())
