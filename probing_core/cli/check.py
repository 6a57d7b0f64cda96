"""``check``: whether a model got worse."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command, name_list, natural
from probing_core.cli.functions import function_or_name
from probing_core.cli.output import json_safe
from probing_core.errors import BadConfig

WORSE, FAILED = 1, 3
"""Exit codes, beside 0 and 2."""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "check",
        check,
        "tell whether a model got worse than a scorecard says, on photographs of val: exit 0 no, 1 worse, 2 bad input, "
        "3 any other failure",
        "probing check zoo/mae --write scorecard.json",
    )
    parser.add_argument("model", metavar="MODEL", help="as in `probing run --models`, or FILE.py:FUNCTION of images")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--baseline", type=Path, metavar="FILE", help="the scorecard to check against")
    which.add_argument("--write", type=Path, metavar="FILE", help="measure the model and write its scorecard")
    parser.add_argument(
        "--max-drop", type=float, default=0.0, metavar="P", help="a drop that is allowed: 0.01 is one point (default 0)"
    )
    parser.add_argument("--corpus", metavar="C", help="with --write: default reference, the photographs that ship")
    parser.add_argument("--transforms", type=name_list, metavar="a,b", help="with --write: default bank")
    parser.add_argument(
        "--limit", type=natural, metavar="N", help="with --write: images before transformations; default all"
    )
    parser.add_argument("--view", type=natural, metavar="N", help="with --write: pixels of the views; default 128")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout, a row a score")
    parser.set_defaults(failure=FAILED)


def check(options: argparse.Namespace) -> int:
    from probing_core.run.progress import final_report, terminal

    model, progress = function_or_name(options.model), terminal()
    with final_report(progress):
        if options.write is not None:
            return _write(options, model, progress)
        return _check(options, model, progress)


def _write(options: argparse.Namespace, model: Any, progress: Any) -> int:
    from probing_core.api.check import scorecard

    chosen = {name: getattr(options, name) for name in ("corpus", "transforms", "limit", "view")}
    asked = {name: value for name, value in chosen.items() if value is not None}
    card = scorecard(model, device=options.device, progress=progress, **asked)
    card.write(options.write)
    if options.json:
        print(json.dumps(json_safe([_score(row) for row in card.rows]), indent=1))
        return 0
    for row in card.rows:
        print(_score_line(row))
    print(f"The scorecard is {options.write}; `probing check MODEL --baseline {options.write}` checks against it.")
    return 0


def _check(options: argparse.Namespace, model: Any, progress: Any) -> int:
    from dataclasses import asdict

    from probing_core.api.check import check as against

    if any(asked is not None for asked in (options.transforms, options.limit, options.view)):
        raise BadConfig("The baseline states what is measured; leave --transforms, --limit and --view out.")
    found = against(
        model,
        options.baseline,
        max_drop=options.max_drop,
        corpus=options.corpus,
        device=options.device,
        progress=progress,
    )
    if options.json:
        print(json.dumps(json_safe([asdict(row) for row in found.rows]), indent=1))
    else:
        print("\n".join(found.lines))
        print(f"{found.model} is worse in {len(found.worse)} of {len(found.rows)} scores.")
    return WORSE if found.worse else 0


def _score(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("task", "subset", "measure", "value", "low", "high", "photographs")}


def _score_line(row: Any) -> str:
    from probing_core.measures.notation import in_percent

    ends = f"95 % interval {100 * row.low:.1f} to {100 * row.high:.1f}" if row.low == row.low else "no interval"
    return (
        f"{row.task}, {row.subset}, {row.measure}: {in_percent(row.value, 1)} ({ends}, {row.photographs} photographs)"
    )
