"""``run`` and its stages: ``embed``, ``train``, ``evaluate``, ``project``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command, name_list, natural
from probing_core.run.options import EMBED, EVALUATE, PROJECT, STAGES, TRAIN, Kind, Options, flag

PARSERS: dict[Kind, Callable[[str], Any]] = {"text": str, "number": natural, "names": name_list, "folder": Path}


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "run",
        _run_whole,
        "make a run: embed, train, evaluate and project; a second call does only what is missing",
        "probing run --out data/runs/mine --corpus folder:photos --models zoo/mae,timm:resnet50.a1_in1k",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    add_run_options(parser)
    add_option(parser, "maps", choices=("all", "first"), metavar=None)
    for stage, help in (
        (EMBED, "apply the transformations to the images and embed them with every model"),
        (TRAIN, "train the probes"),
        (EVALUATE, "turn predictions into scores with intervals"),
        (PROJECT, "draw the two-dimensional maps"),
    ):
        parser = add_command(commands, stage, partial(_run_stage, stage), help, f"probing {stage} --run data/runs/mine")
        parser.add_argument("--run", required=True, type=Path, metavar="DIR")
        if stage == EMBED:
            add_run_options(parser)
        if stage == PROJECT:
            parser.add_argument(
                "--models",
                type=name_list,
                dest="maps",
                default=argparse.SUPPRESS,
                metavar="a,b",
                help="default: all of the run",
            )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `Options` describes, apart from the maps: only one command draws them."""
    for option in fields(Options):
        if option.name != "maps":
            add_option(parser, option.name)


def add_option(parser: argparse.ArgumentParser, name: str, **changes: Any) -> None:
    option = next(f for f in fields(Options) if f.name == name)
    about = option.metadata
    keywords = {"type": PARSERS[about["kind"]], "metavar": about["metavar"], "help": about["help"]}
    parser.add_argument(flag(option), default=option.default, **keywords | changes)


def _run(out: Path, options: argparse.Namespace, stages: Sequence[str]) -> None:
    from probing_core.run.progress import final_report, terminal
    from probing_core.run.stages import run

    progress = terminal(out)
    with final_report(progress):
        run(out, run_options(options), stages, progress)


def _run_whole(options: argparse.Namespace) -> int:
    _run(options.out, options, STAGES)
    print(f"{options.out} is complete.", file=sys.stderr)
    return 0


def _run_stage(stage: str, options: argparse.Namespace) -> int:
    _run(options.run, options, (stage,))
    print(f"{options.run}: the stage {stage} is complete.", file=sys.stderr)
    return 0


def run_options(options: argparse.Namespace) -> Options:
    """Return what the pipeline takes of the arguments; a stage of an existing run gives few of them."""
    return Options(**{f.name: getattr(options, f.name) for f in fields(Options) if hasattr(options, f.name)})
