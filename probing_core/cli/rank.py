from __future__ import annotations

import argparse
import sys
from pathlib import Path

from probing_core.cli.shared import add_shared, print_json

EXAMPLE = "probing rank timm:resnet50.a1_in1k --out data/runs/resnet50"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="as in `probing run --models`")
    parser.add_argument("--base", type=Path, metavar="RUN", help="default: the reference run, which ships")
    parser.add_argument("--corpus", metavar="C", help="the photographs of the base, where they lie elsewhere now")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: rank-MODEL beside your other runs")
    add_shared(parser, "--device", "--precision", "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.rank import rank

    asked = {name: getattr(options, name) for name in ("base", "corpus", "out", "device", "precision")}
    found = rank(options.model, **asked)
    if options.json:
        print_json([one.row for one in found])
    else:
        print("\n\n".join(map(str, found)))
    print(f"All pages show it beside the others: probing demo --run {found[0].path}", file=sys.stderr)
    return 0
