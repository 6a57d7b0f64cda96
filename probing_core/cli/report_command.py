from __future__ import annotations

import argparse
from pathlib import Path

from probing_core.cli.shared import name_list, print_text
from probing_core.errors import BadConfig

EXAMPLE = "probing report --run data/runs/demo --out demo.html"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, metavar="DIR", help="run to report on (default: the reference run)")
    parser.add_argument(
        "--models",
        type=name_list,
        metavar="a,b",
        help="up to six models for the explorer (default: a selection that includes the best embedding and the best "
        "baseline)",
    )
    parser.add_argument(
        "--pictures", choices=("all", "none"), default="all", help="photographs to include (default: all)"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.html")


def run(options: argparse.Namespace) -> int:
    from probing_core.results.explorer import write_shared_file
    from probing_core.results.run import open_run
    from probing_core.run.progress import final_report, terminal

    out, progress = options.out, terminal()
    if out.suffix.lower() not in {".html", ".htm"}:
        raise BadConfig(f"A report must be an HTML file, but '{out}' does not end in .html. Use {out.stem}.html.")

    def update(completed: int, total: int) -> None:
        progress.update("report", completed, total, "Adding images")

    with final_report(progress):
        print_text(
            write_shared_file(open_run(options.run), out, options.models, options.pictures, progress.note, update)
        )
    return 0
