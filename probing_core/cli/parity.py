"""``parity``: whether two pipelines give the same embeddings of the golden pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.cli.arguments import add_command
from probing_core.cli.functions import function_or_name
from probing_core.cli.output import json_safe, print_rows
from probing_core.errors import BadConfig

if TYPE_CHECKING:
    from probing_core.api.parity import Parity

DIFFERS, FAILED = 1, 3
"""Exit codes, beside 0 and 2, of commands that compare."""

SHOWN = 10
"""Pictures that are listed: those that moved farthest."""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "parity",
        parity,
        "tell whether two pipelines give the same embeddings, and which step differs: exit 0 alike, 1 differs, 2 bad "
        "input, 3 any other failure",
        "probing parity zoo/mae my_pipeline.py:embed",
    )
    what = "name of a model, onnx:PATH, FILE.py:FUNCTION or MODULE:FUNCTION, or a file of vectors"
    parser.add_argument("a", metavar="A", nargs="?", help=what)
    parser.add_argument("b", metavar="B", nargs="?", help="likewise")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the golden pictures, to embed them elsewhere")
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="T",
        help="the largest shift of pipelines that are alike, in units of the mean distance between two photographs "
        "(default 0.01)",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--precision", default="float32", help="of named models: float32 (default), bfloat16, auto, ..."
    )
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.set_defaults(failure=FAILED)


def parity(options: argparse.Namespace) -> int:
    from probing_core.api.parity import TOLERANCE, write_golden
    from probing_core.api.parity import parity as compare
    from probing_core.run.progress import final_report, terminal

    if options.write is not None:
        if options.a is not None:
            raise BadConfig("`--write DIR` writes the golden pictures alone; name the pipelines in a second call.")
        count = write_golden(options.write)
        print(f"{count} golden pictures and their list are in {options.write}; embed them in the order of the list.")
        return 0
    if options.b is None:
        raise BadConfig("Two pipelines are compared: `probing parity A B`; `--write DIR` writes the golden pictures.")
    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    a, b = (function_or_name(text) for text in (options.a, options.b))
    progress = terminal()
    with final_report(progress):
        found = compare(
            a, b, tolerance=tolerance, device=options.device, precision=options.precision, progress=progress
        )
    for note in found.notes:
        progress.note(note)
    if options.json:
        print(json.dumps([_as_json(found)], indent=1))
    else:
        _print(found)
    return 0 if found.alike else DIFFERS


def _print(found: Parity) -> None:
    from probing_core.measures.notation import decimal

    print(
        f"{found.a} and {found.b} {'are alike' if found.alike else 'differ'}: over {len(found.pictures)} golden "
        f"pictures the largest shift is {_in_words(found.largest)} (tolerance {decimal(found.tolerance)})."
    )
    unit = "of the mean distance between two photographs"
    print(f"Photographs are moved by {_in_words(found.shift)} {unit}{_beside(found)}.")
    for finding in found.findings:
        left = (
            f"; with that alike, a shift of {_in_words(finding.left)} is left" if finding.left == finding.left else ""
        )
        print(f"- {finding.step}: in {finding.pipeline} {finding.words} ({finding.pictures} pictures){left}.")
    if not found.alike and found.left > found.tolerance:
        none = "None of the other steps that were tried explains the largest shift that is left, "
        print(found.untried or f"{none}{_in_words(found.left)}.")
    moved = found.pictures[found.pictures["shift"] > found.tolerance]
    if len(moved):
        rows = moved.sort_values("shift", ascending=False, kind="stable").head(SHOWN)
        shown = rows.assign(shift=rows["shift"].map(_in_words))
        print_rows([dict(zip(shown.columns, row, strict=True)) for row in shown.itertuples(index=False)], False)
        if len(moved) > SHOWN:
            print(f"{len(moved) - SHOWN} more are moved by more than the tolerance; --json lists all pictures.")


def _beside(found: Parity) -> str:
    if found.scale.empty or found.shift == 0:
        return ""
    faintest = found.scale.iloc[0]
    if found.shift < faintest["shift"]:
        return f", less than the faintest alteration, {faintest['alteration']} ({_in_words(faintest['shift'])})"
    return f", as far as {found.as_far_as}" if found.as_far_as else ", farther than any alteration"


def _in_words(shift: float) -> str:
    from probing_core.measures.notation import decimal

    return "infinity" if shift == float("inf") else decimal(shift, 2)


def _as_json(found: Parity) -> dict[str, Any]:
    from dataclasses import asdict

    content = {
        "a": found.a,
        "b": found.b,
        "alike": found.alike,
        "tolerance": found.tolerance,
        "shift": found.shift,
        "largest": found.largest,
        "as_far_as": found.as_far_as,
        "left": found.left,
        "untried": found.untried,
        "findings": [asdict(finding) for finding in found.findings],
        "scale": found.scale.to_dict("records"),
        "pictures": found.pictures.to_dict("records"),
    }
    return json_safe(content)
