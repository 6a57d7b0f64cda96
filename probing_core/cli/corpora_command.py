from __future__ import annotations

import argparse

from probing_core.cli.shared import add_shared, print_list

EXAMPLE = "probing corpora --json"


def add(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.corpora import KINDS

    rows = [{"name": k.name, "usage": k.usage, "description": k.description, "license": k.license} for k in KINDS]
    return print_list(KINDS.problems, rows, options.json)
