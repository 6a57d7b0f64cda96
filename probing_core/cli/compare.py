"""``compare``: two models of a run, or two runs, by the same photographs."""

from __future__ import annotations

import argparse
import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.cli.arguments import add_command
from probing_core.cli.output import json_safe, print_rows

if TYPE_CHECKING:
    import pandas as pd


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "compare",
        compare,
        "compare two models of a run, or two runs: the difference of their scores, by the same photographs",
        "probing compare zoo/mae zoo/simclr --run data/runs/mine",
    )
    parser.add_argument("a", metavar="A", help="a model of the run, or the directory of a run")
    parser.add_argument("b", metavar="B", help="likewise")
    parser.add_argument("--run", type=Path, metavar="DIR", help="of the models; default: the reference run")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def compare(options: argparse.Namespace) -> int:
    from probing_core.results.comparison import compare as table_of

    table = table_of(options.a, options.b, options.run)
    if options.json:
        print(json.dumps(json_safe(table.to_dict("records")), indent=1))
        return 0
    for (model, other), rows in table.groupby(["model", "other"], sort=False):
        print(f"{model} less {other}:" if model != other else f"{model}, in A less in B:")
        _print(rows)
        print()
    print(
        "Difference: points, with its 95 % interval over the photographs that both were tested on; p: paired sign "
        "flips by photograph, corrected by Holm over the rows of a pair."
    )
    return 0


def _print(rows: pd.DataFrame) -> None:
    from probing_core.measures.notation import in_percent, in_points

    print_rows(
        [
            {
                "task": row["task"],
                "subset": row["subset"],
                "measure": row["measure"],
                "A": in_percent(row["value"], 1),
                "B": in_percent(row["other_value"], 1),
                "difference": in_points(row["difference"]),
                "95 % interval": f"{in_points(row['low'])} to {in_points(row['high'])}"
                if isfinite(row["low"])
                else "none",
                "p": row["p"],
                "photographs": row["photographs"],
            }
            for row in rows.to_dict("records")
        ],
        False,
    )
