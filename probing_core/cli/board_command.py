"""``board``: rank the included models and all submitted results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from probing_core.cli.shared import add_shared, print_json, print_text

EXAMPLE = "probing board"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="folder of files written by `probing rank --save` (default: the included results)",
    )
    parser.add_argument(
        "--base", type=Path, metavar="RUN", help="run of the included models (default: the reference run)"
    )
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core import paths
    from probing_core.results.board import read_board
    from probing_core.results.run import open_run

    board = read_board(open_run(options.base), options.folder or paths.board_dir())
    for problem in board.problems:
        print_text(f"warning: {problem}", sys.stderr)
    print_json(board.rows) if options.json else print_text(board)
    return 0
