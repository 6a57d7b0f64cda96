from __future__ import annotations

import argparse
from pathlib import Path

from probing_core.cli.shared import name_list

EXAMPLE = "probing report --run data/runs/demo --out demo.html"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, metavar="DIR", help="default: the reference run, which ships")
    parser.add_argument(
        "--models", type=name_list, metavar="a,b", help="of the explorer; default: the best of each objective, six"
    )
    parser.add_argument(
        "--pictures", choices=("all", "none"), default="all", help="none: no photograph leaves this machine"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.html")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.report import write_report
    from probing_core.run.progress import final_report, terminal

    progress = terminal()
    with final_report(progress):
        print(write_report(options.run, options.out, options.models, options.pictures, progress))
    return 0
