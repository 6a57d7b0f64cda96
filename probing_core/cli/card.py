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
        "write what a run measured of a model as a section of its card: Markdown, metadata that a hub reads, a picture",
        "probing card --run data/runs/mine --model zoo/mae --out card.md",
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="default: the reference run, which ships")
    parser.add_argument("--model", required=True, metavar="M", help="as the run names it")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.md", help="with a picture beside it, FILE.png; default: printed"
    )


def card(options: argparse.Namespace) -> int:
    from probing_core.models import parse
    from probing_core.results.card import card_picture, model_card
    from probing_core.results.run import open_run
    from probing_core.run.atomic import write_atomically

    run, model = open_run(options.run), parse(options.model).full
    if options.out is None:
        print(model_card(run, model), end="")
        return 0
    drawn, picture = card_picture(run, model), options.out.with_suffix(".png")
    text = model_card(run, model, picture.name if drawn else "")
    if drawn:
        write_atomically(picture, drawn)
    write_atomically(options.out, text.encode())
    print(f"{options.out} is complete{f', with {picture.name} beside it' if drawn else ''}.", file=sys.stderr)
    return 0
