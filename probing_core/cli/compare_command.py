"""``compare``: compare two models, two runs or two score files on the same photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from probing_core.cli.shared import add_shared, print_json, print_text

WORSE = 1
"""Exit code if the drop of a score is significantly larger than ``--max-drop``."""

GATE_FAILED = 3
"""Exit code for failures other than invalid input if ``--max-drop`` is given."""

EXAMPLE = "probing compare before.json now.json --max-drop 0.01"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="model name, run directory, or file written by Scores.save")
    parser.add_argument("b", metavar="B", help="same as A")
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="run that contains the models (default: the reference run)"
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="P",
        help="exit with code 1 if the confidence interval for the drop of any score from A to B on validation "
        "photographs is entirely above P (0.01 is one percentage point)",
    )
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.results.compare import compare

    if options.max_drop is not None:
        options.failure = GATE_FAILED
    comparison = compare(options.a, options.b, options.run, max_drop=options.max_drop)
    print_json(comparison.table.to_dict("records")) if options.json else print_text(comparison)
    return WORSE if len(comparison.worse) else 0
