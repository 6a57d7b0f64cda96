"""``card``: the section of a model card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "card",
        card,
        "write what a run measured of a model as a section of its card: Markdown, with metadata that a hub reads",
        "probing card --run data/runs/mine --model zoo/mae --out card.md",
    )
    parser.add_argument("--run", required=True, type=Path, metavar="DIR")
    parser.add_argument("--model", required=True, metavar="M", help="as the run names it")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="default: printed")


def card(options: argparse.Namespace) -> int:
    from probing_core.embedders import parse
    from probing_core.results import Run
    from probing_core.results.card import model_card
    from probing_core.runs.atomic import write_atomically

    text = model_card(Run.open(options.run), parse(options.model).full)
    if options.out is None:
        print(text, end="")
        return 0
    write_atomically(options.out, text.encode())
    print(f"{options.out} is complete.", file=sys.stderr)
    return 0
