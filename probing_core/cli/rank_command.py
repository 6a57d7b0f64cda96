from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from probing_core.cli.shared import add_shared, print_json, print_text, running
from probing_core.errors import BadConfig

EXAMPLE = "probing rank timm:resnet50.a1_in1k"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="model name, as in `probing run --models`, or FILE.py:FUNCTION")
    parser.add_argument("--full", action="store_true", help="embed all samples, and write a run for the dashboard")
    parser.add_argument("--estimate", action="store_true", help="only estimate the duration of the quick protocol")
    parser.add_argument("--base", type=Path, metavar="RUN", help="run to compare with (default: the reference run)")
    parser.add_argument("--corpus", metavar="C", help="new location of the base run's photographs, if they were moved")
    parser.add_argument("--out", type=Path, metavar="DIR", help="with --full: output directory (default: rank-MODEL)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write a result file for the board; requires --by")
    parser.add_argument("--by", default="", metavar="NAME", help="with --save: your name or group, shown on the board")
    parser.add_argument("--name", default="", metavar="NAME", help="with --save: name on the board (default: MODEL)")
    add_shared(parser, "--device", "--precision", "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.rank import Ranking, rank
    from probing_core.run.progress import terminal

    if options.estimate:
        return _estimate(options)
    if options.save is not None:
        _require_savable(options)
    arguments = {name: getattr(options, name) for name in ("full", "base", "corpus", "out", "device", "precision")}
    progress = None if options.full else terminal()  # a full run also writes its progress to its folder
    with running(options.model) as (model,):
        rankings = rank(model, progress=progress, **arguments)
    if options.json:
        print_json([ranking.row for ranking in rankings])
    else:
        print_text("\n\n".join(map(str, rankings)))
    if options.save is not None:
        _save(rankings, options)
    if isinstance(rankings[0], Ranking):
        print_text(f"To view the model in the dashboard, run: probing demo --run {rankings[0].path}", sys.stderr)
    return 0


def _require_savable(options: argparse.Namespace) -> None:
    if options.full:
        raise BadConfig("Only results of the quick protocol can be saved. Use --save without --full.")
    if not options.by.strip():
        raise BadConfig("The board shows who computed a result. Add --by with your name or group.")


def _save(rankings: Sequence[Any], options: argparse.Namespace) -> None:
    if len(rankings) > 1:
        names = ", ".join(ranking.model for ranking in rankings)
        raise BadConfig(f"A result file contains a single model, but '{options.model}' selects {names}.")
    rankings[0].save(options.save, options.by, options.name)
    print_text(f"The result was written to {options.save}.", sys.stderr)


def _estimate(options: argparse.Namespace) -> int:
    from probing_core.api.rank_estimate import estimate_rank

    if options.full:
        raise BadConfig("Use --estimate without --full. A full run prints an estimate when it starts.")
    with running(options.model) as (model,):
        estimate = estimate_rank(model, options.base, corpus=options.corpus, device=options.device)
    if options.json:
        print_json([asdict(estimate)])
    else:
        print_text(estimate)
    return 0
