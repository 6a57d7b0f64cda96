"""``compare``: two models of a run, two runs, or two files of scores, by the same photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from probing_core.cli.shared import add_shared, print_json

WORSE, GATE_FAILED = 1, 3
"""Exit codes of a gate, in addition to 0 and 2."""

EXAMPLE = "probing compare before.json now.json --max-drop 0.01"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="a model of the run, the directory of a run, or a file of Scores.save")
    parser.add_argument("b", metavar="B", help="likewise")
    parser.add_argument("--run", type=Path, metavar="DIR", help="of the models; default: the reference run")
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="P",
        help="exit 1 where the whole interval of a drop from A to B, on photographs of val, is above P (0.01: a point)",
    )
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.results.compare import compare

    if options.max_drop is not None:
        options.failure = GATE_FAILED
    found = compare(options.a, options.b, options.run, max_drop=options.max_drop)
    print_json(found.table.to_dict("records")) if options.json else print(found)
    return WORSE if len(found.worse) else 0
