"""``rank``: the place of a model among those of a run that is only read, such as the reference run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.cli.arguments import add_command
from probing_core.cli.output import json_safe, print_rows
from probing_core.errors import BadConfig

if TYPE_CHECKING:
    import pandas as pd

    from probing_core.results import Run

EXPLAINED = (
    "Difference: points of this model less the other, by the same photographs; p: paired sign flips, corrected by Holm "
    "over the others."
)

NAMED = 3
"""Groups of transforms that are named where a model sees more, and where it sees less."""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "rank",
        rank,
        "place a model among those of a run, by default those that ship; that run is read and not written",
        "probing rank timm:resnet50.a1_in1k --out data/runs/resnet50",
    )
    parser.add_argument("model", metavar="MODEL", help="as in `probing run --models`")
    parser.add_argument("--base", type=Path, metavar="RUN", help="default: the reference run, which ships")
    parser.add_argument("--corpus", metavar="C", help="the photographs of the base, where they lie elsewhere now")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: rank-MODEL beside your other runs")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="300 photographs, one repetition, no far styles: beside three models of the base that are embedded again, "
        "tested on val, so that no test photograph is looked at",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", help="auto (default), float32, bfloat16, float16")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def rank(options: argparse.Namespace) -> int:
    """Make the run, unless it is complete, and print the place of the model."""
    from probing_core.paths import reference_run
    from probing_core.results import Run

    base = Run.open(options.base or reference_run())
    return _quick(base, options) if options.quick else _rank(base, options)


def _rank(base: Run, options: argparse.Namespace) -> int:
    from probing_core.models import expand, parse
    from probing_core.paths import runs_dir
    from probing_core.results import Run
    from probing_core.results.run_places import ranked_on
    from probing_core.run.layout import RECIPE, slug
    from probing_core.run.options import Options
    from probing_core.run.progress import final_report, terminal
    from probing_core.run.stages import run

    names = tuple(parse(name).full for name in expand((options.model,)))
    out = options.out or runs_dir() / f"rank-{slug(parse(options.model).full)}"
    asked = Options(
        corpus=options.corpus,
        models=names,
        base=base.path,
        device=options.device,
        precision=options.precision,
        maps=names,
    )
    if not (out / RECIPE).is_file():
        _say_what_it_takes(base, names, options)
    progress = terminal(out)
    with final_report(progress):
        run(out, asked, progress=progress)
    opened = Run.open(out)
    _report(opened, names, ranked_on(base.path, out), options.json)
    print(f"All pages show it beside the others: probing demo --run {out}", file=sys.stderr)
    return 0


def _say_what_it_takes(base: Run, names: Sequence[str], options: argparse.Namespace) -> None:
    from probing_core.api.rank import QUICK_PHOTOGRAPHS, cost_of, photographs_of
    from probing_core.run.progress import duration

    corpus = photographs_of(base, options.corpus)
    # Of several checkpoints, one stands for all.
    cost = cost_of(base, names[0], corpus, options.device, options.precision)
    if cost is not None:
        print(
            f"{cost.samples:,} samples are made and embedded, which takes about "
            f"{duration(cost.seconds * len(names))} here, as measured on some of them; probes and studies come behind "
            f"it. What is complete stays if it is stopped, and the same command goes on. --quick takes "
            f"{QUICK_PHOTOGRAPHS} photographs.",
            file=sys.stderr,
        )


def _quick(base: Run, options: argparse.Namespace) -> int:
    from probing_core.api.rank import QUICK_PHOTOGRAPHS, photographs_of, quick
    from probing_core.models import parse
    from probing_core.run.progress import terminal

    if options.out is not None:
        raise BadConfig("--quick makes no run that pages show; leave --out out.")
    board = quick(base, options.model, photographs_of(base, options.corpus), options.device, terminal())
    found = _summary(board, parse(options.model).full)
    if options.json:
        print(json.dumps(json_safe([found]), indent=1))
        return 0
    _print_board(found, "held-out")
    print(
        f"Quick: {QUICK_PHOTOGRAPHS} photographs at most. Probes learned from those of train and were tested on those "
        f"of val; no test photograph was looked at. The others were embedded here, too, since a run that ships has no "
        f"embeddings; without --quick, the model is placed among all that ship. {EXPLAINED}"
    )
    return 0


def _report(run: Run, names: tuple[str, ...], ranked: int, as_json: bool) -> None:
    """Print the place of every layer of the models ``names``: one of each, unless all its layers were asked for."""
    from probing_core.results.comparison import place_among, recall_beside
    from probing_core.run.store import note_event

    found = []
    for model in run.models.loc[run.models["request"].isin(names), "name"]:
        one = _summary(place_among(run, model), model)
        one |= {"ranked": ranked, "groups": recall_beside(run, model, one["best_other"]).to_dict("records")}
        note_event(run.path, event="ranked", model=model, place=one["place"], models=one["models"], ranked=ranked)
        found.append(one)
    if as_json:
        print(json.dumps(json_safe(found), indent=1))
        return
    for one in found:
        _print(one)


def _summary(board: pd.DataFrame, model: str) -> dict[str, Any]:
    """Return the place of a model, and the rows of the others."""
    from probing_core.results.ranking import has_place

    mine = board[board["model"] == model].iloc[0]
    others = board[board["model"] != model]
    rows = others.assign(place=others["place"].astype(object).where(has_place(others), None))
    return {
        "model": model,
        "place": int(mine["place"]),
        "models": int(has_place(board).sum()),
        "value": float(mine["value"]),
        "low": float(mine["low"]),
        "high": float(mine["high"]),
        "best_other": str(others.loc[has_place(others), "model"].iloc[0]),
        "others": rows.to_dict("records"),
    }


def _print_board(one: dict[str, Any], which: str = "test") -> None:
    from probing_core.measures.notation import in_percent, in_points
    from probing_core.results.ranking import BELOW

    print(
        f"{one['model']} is at place {one['place']} of {one['models']}: from its embedding a linear probe names the "
        f"transformation of {in_percent(one['value'], 1)} of the {which} images (95 % interval "
        f"{100 * one['low']:.1f} to {100 * one['high']:.1f})."
    )
    rows = [
        {
            "place": row["place"],
            "model": f"{BELOW if row['seed_of'] else ''}{row['model']}",
            "score": in_percent(row["value"], 1),
            "difference": in_points(row["difference"]),
            "95 % interval": f"{in_points(row['difference_low'])} to {in_points(row['difference_high'])}",
            "p": row["p"],
        }
        for row in one["others"]
    ]
    print_rows(rows, False)
    if any(row["seed_of"] for row in one["others"]):
        print(f"{BELOW.strip()} the model above with another seed, which has no place of its own.")


def _print(one: dict[str, Any]) -> None:
    from probing_core.measures.notation import in_points

    _print_board(one)
    groups = [f"{g['group']} ({in_points(g['difference'])})" for g in one["groups"] if g["difference"] > 0][:NAMED]
    less = [f"{g['group']} ({in_points(g['difference'])})" for g in reversed(one["groups"]) if g["difference"] < 0]
    print(f"Beside {one['best_other']} it sees more of: {', '.join(groups) or 'none of the groups'}.")
    print(f"Beside {one['best_other']} it sees less of: {', '.join(less[:NAMED]) or 'none of the groups'}.")
    print(
        f"{EXPLAINED} {one['ranked']} of your models {'was' if one['ranked'] == 1 else 'were'} ranked on these test "
        f"photographs so far: the best of many is partly luck."
    )
