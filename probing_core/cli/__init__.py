"""The command line: parses arguments, calls one function, prints what it returns. One file a family of commands.

Exit 0 is success; 2 bad input or found damage, with one ``error:`` line each; 1 any other failure, or the ``failure``
that a command sets whose 1 is an answer.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from traceback import extract_tb

from probing_core import __version__
from probing_core.catalog import load_plugin, loaded_plugins
from probing_core.cli import (
    compare,
    demo,
    lists,
    parity,
    predict,
    rank,
    report,
    scan,
    stages,
    transform,
    verify,
)
from probing_core.cli.arguments import Parser
from probing_core.cli.output import fail
from probing_core.cli.stages import run_options
from probing_core.errors import ProbingError, one_line

__all__ = ["build_parser", "load_plugins", "main", "run_options"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # Before torch is loaded: threads that spin while they wait would take the cores from those that make pictures.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        load_plugins(options)
        code = options.command(options)
        sys.stdout.flush()  # here, where a full disk can still be reported
        return code
    except ProbingError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("error: stopped; what was complete stays, and the same command goes on from there.", file=sys.stderr)
        return options.failure
    except OSError as error:
        return _output_failed(error, options)
    except Exception as error:  # the boundary: a bug is reported in one line, with its traceback only on request
        return _report_bug(error, options)


def load_plugins(options: argparse.Namespace) -> None:
    """Run the files that ``--plugin`` names, before the command and behind it.

    Raises:
        BadConfig: one of them cannot be run.
    """
    for path in (*options.plugin, *options.plugin_behind):
        load_plugin(path)


def _report_bug(error: Exception, options: argparse.Namespace) -> int:
    if options.traceback:
        raise error
    theirs = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename) in loaded_plugins()]
    if theirs:
        place = f"'{theirs[-1].filename}', line {theirs[-1].lineno}"
        failed = f"{place}, failed: {type(error).__name__}: {one_line(error).rstrip('.')}"
        return fail(ProbingError(f"{failed}; `probing --traceback ...` shows where it was called."))
    print(
        f"error: {type(error).__name__}: {one_line(error)} (a bug; `probing --traceback ...` shows where)",
        file=sys.stderr,
    )
    return options.failure


def _output_failed(error: OSError, options: argparse.Namespace) -> int:
    """Return the exit code; no error where the reader of our output went away (`probing models | head`)."""
    if error.errno not in (errno.EPIPE, errno.ENOSPC):
        return _report_bug(error, options)
    _write_no_more()
    if error.errno == errno.EPIPE:
        return 0
    print("error: The disk is full; make room, or write elsewhere.", file=sys.stderr)
    return 2


def _write_no_more() -> None:
    """Discard what is left in the buffer of the output, or Python would try again as it ends, and fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="probing", description="What does your image embedding know besides what is in the picture?")
    parser.add_argument("--version", action="version", version=f"probing {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an unexpected error came from")
    parser.add_argument(
        "--plugin",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.py",
        help="run this file first: what it registers (probing_core.register) is known to the command",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="called", parser_class=Parser)
    lists.add(commands)
    transform.add(commands)
    stages.add(commands)
    predict.add(commands)
    scan.add(commands)
    rank.add(commands)
    compare.add(commands)
    parity.add(commands)
    report.add(commands)
    verify.add(commands)
    demo.add(commands)
    return parser
