"""``demo``: serve the dashboard with the reference run and compute the demo run in the background."""

from __future__ import annotations

import argparse
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

from probing_core.cli.shared import natural
from probing_core.errors import BadConfig

THIS_MACHINE = "127.0.0.1"
EVERY_ADDRESS = "0.0.0.0"

EXAMPLE = "probing demo --port 8502"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, metavar="DIR", help="run to open in addition to the reference run")
    parser.add_argument("--port", type=natural, default=8501, metavar="N", help="port to listen on (default 8501)")
    parser.add_argument("--host", metavar="H", help=f"address to listen on (default {THIS_MACHINE}: this machine only)")
    parser.add_argument(
        "--share",
        action="store_true",
        help="listen on all addresses of this machine; visitors can view results and upload images",
    )


def run(options: argparse.Namespace) -> int:
    """Prepare the demo run, and serve the dashboard until Ctrl+C is pressed."""
    if options.share and options.host:
        raise BadConfig("Use either --share (all addresses) or --host (one address), not both.")
    if options.run:
        from probing_core.results import Run

        Run.open(options.run)  # report an invalid run before the server starts
    app = _app()
    code = _run("dashboard.jobs.demo")
    if code:
        return code
    address = EVERY_ADDRESS if options.share else options.host or THIS_MACHINE
    if address not in (THIS_MACHINE, "localhost", "::1"):
        print(
            "Visitors can view results and upload images, but cannot start runs or scans. To start runs and scans, "
            "omit --share and --host, and use a browser on this machine or an SSH tunnel.",
            file=sys.stderr,
        )
    arguments = ("--", "--run", str(options.run.absolute())) if options.run else ()
    return _run(
        "streamlit", "run", str(app), "--server.address", address, "--server.port", str(options.port), *arguments
    )


def _run(module: str, *arguments: str) -> int:
    """Run ``python -m MODULE ARGUMENTS`` in this process, so that it receives signals, and return the exit code."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _app() -> Path:
    """Find the dashboard script without importing it, because the core must not depend on the dashboard.

    Raises:
        BadConfig: the dashboard is not installed.
    """
    package = find_spec("dashboard")
    if package is None or package.origin is None:
        raise BadConfig(
            "The dashboard is not installed.",
            hint="Run `pip install .` in a clone of the repository, or install the wheel.",
        )
    return Path(package.origin).parent / "app.py"
