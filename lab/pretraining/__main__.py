"""Train one encoder of the zoo: ``python -m lab.pretraining RECIPE --corpus CORPUS --out DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.devtools.commands import errors_in_a_line
from lab.pretraining import pretrain
from probing_core.cli.shared import natural
from probing_core.corpora import open_corpus
from probing_core.run.progress import terminal


@errors_in_a_line
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.pretraining", description=__doc__)
    parser.add_argument("recipe", metavar="RECIPE", help="supervised, simclr, mae, can, clip, align, ...")
    parser.add_argument("--corpus", required=True, metavar="C", help="corpus (its `pretrain` split, if it has one)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="random seed (default 0)")
    parser.add_argument(
        "--steps", type=natural, metavar="N", help="number of steps (default: the compute budget of the zoo)"
    )
    parser.add_argument(
        "--keep",
        type=natural,
        default=0,
        metavar="N",
        help="number of checkpoints to save in DIR/kept (default 0)",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    options = parser.parse_args()
    weights = pretrain(
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


if __name__ == "__main__":
    sys.exit(main())
