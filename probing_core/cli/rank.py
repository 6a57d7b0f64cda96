"""``rank``: the place of a model among those of a run that is only read, such as the reference run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command
from probing_core.cli.output import json_safe, print_rows

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
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", help="auto (default), float32, bfloat16, float16")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def rank(options: argparse.Namespace) -> int:
    """Make the run, unless it is complete, and print the place of the model."""
    from probing_core.embedders import expand, parse
    from probing_core.paths import reference_run, runs_dir
    from probing_core.pipeline import Options, run
    from probing_core.results import Run
    from probing_core.results.run_places import ranked_on
    from probing_core.runs.layout import slug
    from probing_core.runs.progress import ending, terminal

    base = options.base or reference_run()
    names = tuple(parse(name).full for name in expand((options.model,)))
    out = options.out or runs_dir() / f"rank-{slug(parse(options.model).full)}"
    asked = Options(
        corpus=options.corpus,
        models=names,
        base=base,
        device=options.device,
        precision=options.precision,
        maps=names,
    )
    progress = terminal(out)
    with ending(progress):
        run(out, asked, progress=progress)
    opened = Run.open(out)
    _report(opened, names, ranked_on(base, out), options.json)
    print(f"All pages show it beside the others: probing demo --run {out}", file=sys.stderr)
    return 0


def _report(run: Any, names: tuple[str, ...], ranked: int, as_json: bool) -> None:
    """Print the place of every layer of the models ``names``: one of each, unless all its layers were asked for."""
    from probing_core.results.comparison import place_among, recall_beside

    found = []
    for model in run.models.loc[run.models["request"].isin(names), "name"]:
        board = place_among(run, model)
        mine = board[board["model"] == model].iloc[0]
        others = board[board["model"] != model]
        best = str(others["model"].iloc[0])
        beside = recall_beside(run, model, best)
        found.append(
            {
                "model": model,
                "place": int(mine["place"]),
                "models": len(board),
                "value": float(mine["value"]),
                "low": float(mine["low"]),
                "high": float(mine["high"]),
                "best_other": best,
                "ranked": ranked,
                "groups": beside.to_dict("records"),
                "others": others.to_dict("records"),
            }
        )
    if as_json:
        print(json.dumps(json_safe(found), indent=1))
        return
    for one in found:
        _print(one)


def _print(one: dict[str, Any]) -> None:
    from probing_core.measures.notation import in_percent

    print(
        f"{one['model']} is at place {one['place']} of {one['models']}: from its embedding a linear probe names the "
        f"transformation of {in_percent(one['value'], 1)} of the test images (95 % interval {100 * one['low']:.1f} to "
        f"{100 * one['high']:.1f})."
    )
    rows = [
        {
            "place": row["place"],
            "model": row["model"],
            "score": in_percent(row["value"], 1),
            "difference": f"{100 * row['difference']:+.1f}",
            "95 % interval": f"{100 * row['difference_low']:+.1f} to {100 * row['difference_high']:+.1f}",
            "p": row["p"],
        }
        for row in one["others"]
    ]
    print_rows(rows, False)
    groups = [f"{g['group']} ({100 * g['difference']:+.1f})" for g in one["groups"] if g["difference"] > 0][:NAMED]
    less = [f"{g['group']} ({100 * g['difference']:+.1f})" for g in reversed(one["groups"]) if g["difference"] < 0]
    print(f"Beside {one['best_other']} it sees more of: {', '.join(groups) or 'none of the groups'}.")
    print(f"Beside {one['best_other']} it sees less of: {', '.join(less[:NAMED]) or 'none of the groups'}.")
    print(
        f"Difference: points of this model less the other, by the same photographs; p: paired sign flips, corrected by "
        f"Holm over the others. {one['ranked']} of your models "
        f"{'was' if one['ranked'] == 1 else 'were'} ranked on these test photographs so far: the best of many is "
        f"partly luck."
    )
