"""``models``: the models that can be named."""

from __future__ import annotations

import argparse

from probing_core.cli.output import print_list

EXAMPLE = "probing models --json"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.lists import list_models

    return print_list(list_models(), options.json)
