"""``report``: a run as one page that can be mailed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "probing report --run data/runs/demo --out demo.html"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, metavar="DIR", help="default: the reference run, which ships")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.html")


def run(options: argparse.Namespace) -> int:
    from probing_core.results.report import write_report
    from probing_core.results.run import open_run

    write_report(open_run(options.run), options.out)
    print(f"{options.out} is complete.", file=sys.stderr)
    return 0
