from __future__ import annotations

import argparse

from probing_core.cli.shared import add_shared, print_list

EXAMPLE = "probing transforms --json"


def add(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.transforms import CATALOG

    names = ("name", "group", "parameter", "unit", "weakest", "strongest", "unseen_in")
    rows = [
        {name: getattr(t, name) for name in names}
        | {"tier": "far" if t.far else "bank" if t.member or t.group == "identity" else "added"}
        for t in CATALOG
    ]
    return print_list(CATALOG.problems, rows, options.json)
