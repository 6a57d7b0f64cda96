"""``verify``: whether a run is whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command
from probing_core.runs import layout


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "verify",
        verify,
        "check that every file of a run is there with its checksum, and no other",
        "probing verify --run data/runs/demo",
    )
    parser.add_argument("--run", required=True, type=Path, metavar="DIR")


def verify(options: argparse.Namespace) -> int:
    from probing_core.errors import BadRun
    from probing_core.runs.store import Store

    store = Store(options.run)
    if not store.has(layout.RECIPE):
        raise BadRun(f"'{options.run}' is not a run: it has no {layout.RECIPE} in a manifest.")
    damage = store.damage()
    for sentence in damage:
        print(f"error: {sentence}", file=sys.stderr)
    if not damage:
        print(f"{options.run}: {len(store.names())} files, all whole.")
    return 2 if damage else 0
