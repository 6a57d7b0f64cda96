"""``run`` and its stages: ``embed``, ``train``, ``evaluate``, ``project``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.cli.arguments import add_command, name_list, natural

if TYPE_CHECKING:
    from probing_core.pipeline import Options


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "run",
        lambda options: _run(options.out, options, ("embed", "train", "evaluate", "project")),
        "make a run: embed, train, evaluate and project; a second call does only what is missing",
        "probing run --out data/runs/mine --corpus folder:photos --models zoo/mae,timm:resnet50.a1_in1k",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    add_run_options(parser)
    parser.add_argument(
        "--maps",
        choices=("all", "first"),
        default="all",
        help="which maps to draw: all (default), or that of the first model; the dashboard has the others drawn when "
        "somebody opens them",
    )
    for stage, help in (
        ("embed", "transform the images and embed them with every model"),
        ("train", "train the probes"),
        ("evaluate", "turn predictions into scores with intervals"),
        ("project", "draw the two-dimensional maps"),
    ):
        parser = add_command(commands, stage, partial(_run_stage, stage), help, f"probing {stage} --run data/runs/mine")
        parser.add_argument("--run", required=True, type=Path, metavar="DIR")
        if stage == "embed":
            add_run_options(parser)
        if stage == "project":
            parser.add_argument(
                "--models",
                type=name_list,
                dest="maps",
                default=argparse.SUPPRESS,
                metavar="a,b",
                help="default: all of the run",
            )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", metavar="C", help="photos (default), folder:PATH, parquet:FILE, torchvision:NAME")
    parser.add_argument("--view", type=natural, metavar="N", help="pixels of the side of the views (default 128)")
    parser.add_argument(
        "--models", type=name_list, metavar="a,b", help="default: the models that come with the product"
    )
    parser.add_argument(
        "--transforms",
        type=name_list,
        metavar="a,b",
        help="default: bank, all of it; far-styles adds styles that no probe learns from",
    )
    parser.add_argument(
        "--limit",
        type=natural,
        metavar="N",
        help="number of usable images before transforms, drawn evenly over photographs",
    )
    parser.add_argument(
        "--live-images",
        type=natural,
        metavar="N",
        help="number of images, beyond the limit too, that live predictions learn from (default: of the run, 500 at "
        "most)",
    )
    parser.add_argument("--seed", type=natural, metavar="N", help="of every random draw (default 0)")
    parser.add_argument("--repetitions", type=natural, metavar="N", help="draws per image and transform (default 1)")
    parser.add_argument("--probes-from", type=Path, metavar="RUN", help="train nothing: take that run's probes")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", help="auto (default), float32, bfloat16, float16")


def _run(out: Path, options: argparse.Namespace, stages: Sequence[str]) -> int:
    from probing_core.pipeline import run
    from probing_core.runs.progress import ending, terminal

    progress = terminal(out)
    with ending(progress):
        run(out, run_options(options), stages, progress)
    print(f"{out} is complete.", file=sys.stderr)
    return 0


def _run_stage(stage: str, options: argparse.Namespace) -> int:
    return _run(options.run, options, (stage,))


def run_options(options: argparse.Namespace) -> Options:
    """What the pipeline takes of the arguments; a stage of an existing run gives few of them."""
    from dataclasses import fields

    from probing_core.pipeline import Options

    return Options(**{f.name: getattr(options, f.name) for f in fields(Options) if hasattr(options, f.name)})
