from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.run import layout

EXAMPLE = "probing verify --run data/runs/demo"

BEING_WRITTEN = 4
"""Exit code if a process is writing to the run."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--why",
        nargs="?",
        const="",
        metavar="FILE",
        help="explain why the next `probing run` will recompute FILE (if omitted: all files that it will recompute)",
    )


def run(options: argparse.Namespace) -> int:
    from probing_core.errors import BadRun
    from probing_core.run.store import Store, damage_sentences

    store = Store(options.run)
    if store.entry(layout.RECIPE) is None:
        raise BadRun(f"'{options.run}' is not a run: its manifest is missing or does not list {layout.RECIPE}.")
    if options.why is not None:
        return _why(store, options.why)
    is_busy = store.is_being_written()
    damaged, foreign = store.damaged(), store.foreign()
    damage = damage_sentences(damaged, foreign)
    if is_busy or (damage and store.is_being_written()):
        print(f"{options.run} is being written. Verify it again when the run is complete.", file=sys.stderr)
        return BEING_WRITTEN
    for sentence in damage:
        print(f"error: {sentence}", file=sys.stderr)
    if damaged:
        print(f"Run `probing run --out {options.run}` to recompute corrupted and missing files.")
    if not damage:
        print(f"{options.run}: all files are valid ({len(store.names())} in total).")
    return 2 if damage else 0


def _why(store: Any, path: str) -> int:
    from probing_core.run.recipe import read_recipe
    from probing_core.run.stages import plan_of
    from probing_core.run.why import why

    plan = plan_of(store, read_recipe(store))
    partitions = [plan.partition(path.removeprefix("./"))] if path else plan.pending(plan.partitions.values())
    for partition in partitions:
        print("\n".join(why(plan, partition.path)))
    for name in () if path else plan.snapshot.unloaded:
        print(f"'{name}' will be loaded to compute its missing embeddings, probes and tables.")
    if not path and not partitions and not plan.snapshot.unloaded:
        print(f"No file in {store.root} needs to be recomputed.")
    return 0
