"""The command line: thirteen commands, each a file of this folder that is loaded when the command is called.

A command's file has ``EXAMPLE``, ``add(parser)``, which adds its arguments, and ``run(options)``, which calls one
public function, prints its result and returns the exit code: 0 success; 2 bad input or found damage, with one
``error:`` line each; 1 any other failure, or ``FAILED`` of a command for which 1 is an answer.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from traceback import extract_tb

from probing_core import __version__
from probing_core.catalog import load_plugin, loaded_plugins
from probing_core.cli.shared import Parser, add_plugin, fail
from probing_core.errors import ProbingError, one_line

COMMANDS = {
    "models": "list the models: what is here, what needs the network, and why",
    "transforms": "list the transformations with their strengths",
    "corpora": "list the kinds of corpora",
    "transform": "apply a transformation to one picture, or make the contact sheet of all transformations",
    "run": "make a run: embed, train, evaluate and draw maps; a second call does only what is missing",
    "predict": "predict with every model what was done to pictures",
    "scan": "find the altered pictures of a folder: CSV, Parquet and a page with thumbnails; a second call goes on",
    "rank": "place a model among those of a run, by default those that ship; that run is read and not written",
    "compare": "compare two models of a run, two runs, or two files of scores; with --max-drop: whether B got worse",
    "parity": "tell whether two pipelines give the same embeddings, and how far they are apart",
    "report": "write one file to send, with the leaderboard, the claims and the explorer of a run; it needs no network",
    "verify": "check that every file of a run is there with its checksum, and no other",
    "demo": "serve the dashboard over the reference run, and compute the demo run meanwhile",
}
"""Name of a command and of its file -> its line of help."""


def main(arguments: Sequence[str] | None = None) -> int:
    # Before torch is loaded: threads that spin while they wait would take cores from those that make pictures.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    options = parse(arguments)
    try:
        load_plugins(options)
        code = options.command(options)
        sys.stdout.flush()  # here, while a full disk can still be reported
        return code
    except ProbingError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("error: stopped; what was complete stays, and the same command goes on from there.", file=sys.stderr)
        return options.failure
    except OSError as error:
        return _output_failed(error, options)
    except Exception as error:  # the boundary: a bug is one line, with its traceback only on request
        return _report_bug(error, options)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the arguments after ``probing``; only the command that is called is loaded.

    Returns:
        The arguments of the command; ``called``, its name; ``command``, its function ``run``; and ``failure``, its exit
        code for failures that are neither bad input nor damage.
    """
    outer = _outer_parser().parse_args(arguments)
    options = parser_of(outer.called).parse_args(outer.arguments)
    options.called, options.traceback = outer.called, outer.traceback
    options.plugin = [*outer.plugin, *options.plugin]
    return options


def _outer_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:<{width}}{help}" for name, help in COMMANDS.items())
    parser = Parser(
        prog="probing",
        usage="probing [-h] [--version] [--traceback] [--plugin FILE.py] COMMAND ...",
        description="What does your image embedding know besides what is in the picture?",
        epilog=f"commands (each has --help):\n{listed}",
    )
    parser.add_argument("--version", action="version", version=f"probing {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an unexpected error came from")
    add_plugin(parser, "run this file first: what it registers (probing_core.register) is known to the command")
    parser.add_argument("called", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def parser_of(name: str) -> argparse.ArgumentParser:
    module = importlib.import_module(f"probing_core.cli.{name}")
    help = COMMANDS[name]
    parser = Parser(prog=f"probing {name}", description=help, epilog=f"example:\n  {module.EXAMPLE}")
    module.add(parser)
    add_plugin(parser, argparse.SUPPRESS)  # after the command as well, where people write it
    parser.set_defaults(command=module.run, failure=getattr(module, "FAILED", 1))
    return parser


def load_plugins(options: argparse.Namespace) -> None:
    """Run the files that ``--plugin`` names; `BadConfig` where one of them cannot be run."""
    for path in options.plugin:
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
    if error.errno not in (errno.EPIPE, errno.ENOSPC):
        return _report_bug(error, options)
    _write_no_more()
    if error.errno == errno.EPIPE:
        return 0
    print("error: The disk is full; make room, or write elsewhere.", file=sys.stderr)
    return 2


def _write_no_more() -> None:
    """Discard what is left in the buffer of the output: Python would try again at its end, and fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
