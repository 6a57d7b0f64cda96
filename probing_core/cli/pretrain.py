"""``pretrain``: one encoder of the zoo."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command, natural


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "pretrain",
        pretrain,
        "train one encoder of the zoo; a second call goes on where the first was stopped",
        "probing pretrain mae --corpus folder:pictures --out checkpoints/mae",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="supervised, simclr, mae, can, clip, align, ...")
    parser.add_argument("--corpus", required=True, metavar="C", help="its `pretrain` split is used, or all of it")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="default 0")
    parser.add_argument("--steps", type=natural, metavar="N", help="default: what the zoo's compute budget allows")
    parser.add_argument(
        "--keep",
        type=natural,
        default=0,
        metavar="N",
        help="keep the encoder of N steps, each half of the next, in DIR/kept; default 0",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")


def pretrain(options: argparse.Namespace) -> int:
    from probing_core import pretraining
    from probing_core.corpora import open_corpus
    from probing_core.runs.progress import terminal

    weights = pretraining.pretrain(
        options.recipe,
        open_corpus(options.corpus),
        options.out,
        seed=options.seed,
        steps=options.steps,
        keep=options.keep,
        device=options.device,
        progress=terminal(),
    )
    print(f"{weights} is complete.", file=sys.stderr)
    return 0
