"""``export``: the transformed images of a run, for embedding elsewhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command
from probing_core.cli.stages import add_run_options, run_options


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "export",
        _run,
        "write the transformed images of a run and their list, to embed them elsewhere",
        "probing export --run data/runs/mine --out exported --corpus folder:photos",
    )
    parser.add_argument("--run", required=True, type=Path, metavar="DIR", help="the run; begun if there is none")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new or an empty folder")
    add_run_options(parser)


def _run(options: argparse.Namespace) -> int:
    from probing_core.run.progress import terminal
    from probing_core.run.stages import export

    count = export(options.run, options.out, run_options(options), terminal())
    print(
        f"{options.out} holds {count} images, which samples.csv lists; `probing_core.score` takes embeddings of "
        f"`probing_core.samples`.",
        file=sys.stderr,
    )
    return 0
