from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from probing_core.cli.shared import print_text
from probing_core.run import layout

if TYPE_CHECKING:
    from probing_core.run.directory import RunDirectory
    from probing_core.run.recipe import Recipe

EXAMPLE = "probing verify --run data/runs/demo"

BEING_WRITTEN = 4
"""Exit code if a process is writing to the run."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--why",
        nargs="?",
        const="",
        metavar="STEP",
        help="explain why the next `probing run` will compute STEP, such as models/zoo-mae/scores (default: all steps "
        "that it will compute)",
    )


def run(options: argparse.Namespace) -> int:
    from probing_core.errors import BadRun
    from probing_core.run.directory import RunDirectory, damage_sentences, is_being_written
    from probing_core.run.recipe import read_recipe

    run = RunDirectory(options.run)
    if not (options.run / layout.RECIPE).is_file():
        raise BadRun(f"'{options.run}' is not a run: it has no {layout.RECIPE}.")
    if options.why is not None:
        return _why(run, read_recipe(run), options.why)
    is_busy = is_being_written(options.run)
    damaged, foreign = run.damaged(), run.foreign()
    damage = damage_sentences(damaged, foreign)
    if is_busy or (damage and is_being_written(options.run)):
        print_text(f"{options.run} is being written. Verify it again when the run is complete.", sys.stderr)
        return BEING_WRITTEN
    for sentence in damage:
        print_text(f"error: {sentence}", sys.stderr)
    if damaged:
        print_text(f"Run `probing run --out {options.run}` to recompute corrupted and missing files.")
    if not damage:
        print_text(f"{options.run}: all files are valid ({len(run.names())} in total).")
    return 2 if damage else 0


def _why(run: RunDirectory, recipe: Recipe, path: str) -> int:
    from probing_core.errors import UnknownName
    from probing_core.run.pipeline import explain

    name = path.removeprefix("./")
    noted, unloaded = explain(run, recipe)
    step = name if name in noted.visited else run.step_of(name) or ""
    if path and step not in noted.visited:
        raise UnknownName(f"The run has no step or file '{name}'. Steps have names such as models/zoo-mae/scores.")
    for each in [step] if path else noted.pending:
        print_text("\n".join(noted.reasons(each)))
    for model in () if path else unloaded:
        print_text(f"'{model}' will be loaded to compute its missing embeddings, probes and tables.")
    if not path and not unloaded and not noted.pending:
        print_text(f"No step of {run.root} needs to be computed.")
    return 0
