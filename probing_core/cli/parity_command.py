from __future__ import annotations

import argparse
from pathlib import Path

from probing_core.cli.shared import add_shared, print_json, print_text, running
from probing_core.errors import BadConfig

DIFFERS = 1
"""Exit code if the pipelines differ."""

FAILED = 3
"""Exit code for failures other than invalid input."""

EXAMPLE = "probing parity zoo/mae my_pipeline.py:embed"


def add(parser: argparse.ArgumentParser) -> None:
    what = "model name, onnx:PATH, FILE.py:FUNCTION, or embedding file"
    parser.add_argument("a", metavar="A", nargs="?", help=what)
    parser.add_argument("b", metavar="B", nargs="?", help="same as A")
    parser.add_argument(
        "--write", type=Path, metavar="DIR", help="write the golden images, so that you can embed them elsewhere"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.01,
        metavar="T",
        help="maximum embedding shift for pipelines that are considered equal, in units of the mean distance between "
        "two photographs (default 0.01)",
    )
    add_shared(parser, "--device")
    parser.add_argument(
        "--precision", default="float32", help="precision of named models: float32 (default), bfloat16, float16, auto"
    )
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.parity import parity, write_golden
    from probing_core.run.progress import final_report, terminal

    if options.write is not None:
        if options.a is not None:
            raise BadConfig("--write only writes the golden images. Compare the pipelines in a separate call.")
        count = write_golden(options.write)
        print_text(
            f"Wrote {count} golden images and a list of their file names to {options.write}. Embed them in the order "
            "of the list."
        )
        return 0
    if options.b is None:
        raise BadConfig(
            "Pass two pipelines to compare.",
            hint="Run `probing parity A B`, or `probing parity --write DIR` to write the golden images.",
        )
    arguments = {name: getattr(options, name) for name in ("tolerance", "device", "precision")}
    progress = terminal()
    with final_report(progress), running(options.a, options.b) as (a, b):
        result = parity(a, b, progress=progress, **arguments)
    print_json(result.pictures.to_dict("records")) if options.json else print_text(result)
    return 0 if result.alike else DIFFERS
