"""``report``: a run as one page that can be mailed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "report",
        report,
        "write one self-contained HTML page with the tables, figures and methods of a run",
        "probing report --run data/runs/demo --out demo.html",
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="default: the reference run, which ships")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.html")


def report(options: argparse.Namespace) -> int:
    from probing_core.results.report import write_report
    from probing_core.results.run import open_run

    write_report(open_run(options.run), options.out)
    print(f"{options.out} is complete.", file=sys.stderr)
    return 0
