"""``compare``: two models of a run, two runs, or two files of scores, by the same photographs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command
from probing_core.cli.output import json_safe

WORSE, FAILED = 1, 3
"""Exit codes of a gate, in addition to 0 and 2."""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "compare",
        compare,
        "compare two models of a run, two runs, or two files of scores, by the same photographs; with --max-drop exit "
        "0: B is no worse, 1: worse, 2: bad input, 3: any other failure",
        "probing compare before.json now.json --max-drop 0.01",
    )
    parser.add_argument("a", metavar="A", help="a model of the run, the directory of a run, or a file of Scores.save")
    parser.add_argument("b", metavar="B", help="likewise")
    parser.add_argument("--run", type=Path, metavar="DIR", help="of the models; default: the reference run")
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="P",
        help="exit 1 where the whole interval of a drop from A to B, on photographs of val, is above P (0.01: a point)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def compare(options: argparse.Namespace) -> int:
    from probing_core.results.compare import compare

    if options.max_drop is not None:
        options.failure = FAILED
    found = compare(options.a, options.b, options.run, max_drop=options.max_drop)
    print(json.dumps(json_safe(found.table.to_dict("records")), indent=1) if options.json else found)
    return WORSE if len(found.worse) else 0
