"""``demo``: the dashboard over the reference run, while the demo run is computed."""

from __future__ import annotations

import argparse
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

from probing_core.cli.shared import natural
from probing_core.errors import BadConfig

THIS_MACHINE, EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"

EXAMPLE = "probing demo --port 8502"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="open this run first; the reference run stays beside it"
    )
    parser.add_argument("--port", type=natural, default=8501, metavar="N", help="default 8501")
    parser.add_argument(
        "--host", metavar="H", help=f"the address to listen on (default {THIS_MACHINE}: this machine alone)"
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="listen on every address of this machine; visitors may look and drop pictures in",
    )


def run(options: argparse.Namespace) -> int:
    """Prepare the demo run, then serve until Ctrl+C."""
    if options.share and options.host:
        raise BadConfig("--share listens on every address and --host on one; give one of them.")
    if options.run:
        from probing_core.results import Run

        Run.open(options.run)  # now, while a wrong name can be corrected
    app = _app()
    code = _run("dashboard.jobs.demo")
    if code:
        return code
    address = EVERY_ADDRESS if options.share else options.host or THIS_MACHINE
    if address not in (THIS_MACHINE, "localhost", "::1"):
        print(
            "Everybody may look and drop pictures in, and nobody starts runs and scans; without --share and --host "
            "they are open to a browser on this machine, and through an SSH tunnel to it.",
            file=sys.stderr,
        )
    shown = ("--", "--run", str(options.run.absolute())) if options.run else ()
    return _run("streamlit", "run", str(app), "--server.address", address, "--server.port", str(options.port), *shown)


def _run(module: str, *arguments: str) -> int:
    """Run ``python -m module ARGUMENTS`` in this process, so that signals reach it, and return its exit code."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _app() -> Path:
    """Return the dashboard's script, found without importing: the core does not depend on the dashboard."""
    package = find_spec("dashboard")
    if package is None or package.origin is None:
        raise BadConfig(
            "The dashboard is not installed; `pip install .` in a clone, or of a wheel, installs it with the command."
        )
    return Path(package.origin).parent / "app.py"
