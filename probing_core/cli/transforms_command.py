from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from probing_core.cli.shared import add_shared, print_list

if TYPE_CHECKING:
    from probing_core.transforms import Transform

EXAMPLE = "probing transforms --json"


def add(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.transforms import CATALOG

    names = ("name", "group", "parameter", "unit", "weakest", "strongest", "unseen_in")
    rows = [{name: getattr(t, name) for name in names} | {"tier": _tier(t)} for t in CATALOG]
    return print_list(CATALOG.problems, rows, options.json)


def _tier(transform: Transform) -> str:
    if transform.far:
        return "far"
    return "bank" if transform.member or transform.group == "identity" else "added"
