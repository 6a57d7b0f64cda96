from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from probing_core.cli.shared import name_list, natural, print_text
from probing_core.run.options import PROJECT, STAGES, Kind, Options, flag

EXAMPLE = "probing run --out data/runs/mine --corpus folder:photos --models zoo/mae,timm:resnet50.a1_in1k"

PARSERS: dict[Kind, Callable[[str], Any]] = {"text": str, "number": natural, "names": name_list, "folder": Path}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    for option in fields(Options):
        about = option.metadata
        parser.add_argument(
            flag(option),
            default=option.default,
            type=PARSERS[about["kind"]],
            metavar=about["metavar"],
            help=about["help"],
        )
    parser.add_argument(
        "--until",
        choices=STAGES[:-1],
        default=PROJECT,
        help="last stage to run (default: all stages, including maps)",
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="only estimate the remaining time of each phase on this machine, and list images that will not be used",
    )


def run(options: argparse.Namespace) -> int:
    from probing_core.run.pipeline import run
    from probing_core.run.progress import final_report, terminal

    if options.estimate:
        from probing_core.run.estimate import estimate

        print_text(estimate(run_options(options), options.out, options.until, terminal()))
        return 0
    progress = terminal(options.out)
    with final_report(progress):
        run(options.out, run_options(options), options.until, progress)
    state = "complete" if options.until == PROJECT else f"the stage {options.until} is complete"
    print_text(f"{options.out}: {state}.", sys.stderr)
    return 0


def run_options(options: argparse.Namespace) -> Options:
    return Options(**{f.name: getattr(options, f.name) for f in fields(Options)})
