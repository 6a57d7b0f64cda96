"""Command-line interface.

Each command is a module that is imported when the command is run. The module defines ``EXAMPLE``; ``add(parser)``,
which adds the arguments; and ``run(options)``, which calls a public function, prints its result, and returns the exit
code.

The exit code is 0 for success, 2 for invalid input or corrupted files, and 1 for any other failure. ``verify`` exits
with 4 if a process is writing to the run. Commands for which 1 is a result use ``FAILED`` for other failures. Invalid
input and corrupted files are reported on a line that starts with ``error:``. If there is a hint, it follows on a line
that starts with ``hint:``.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from probing_core import __version__
from probing_core.catalog import failure_in_file, load_plugin
from probing_core.cli.shared import Parser, add_plugin, fail, print_text, write_utf8
from probing_core.errors import ProbingError, one_line

DESCRIPTION = "What does an image embedding encode besides content?"

COMMANDS = {
    "models": "list the models and show whether they are available locally",
    "transforms": "list the transformations and their strength ranges",
    "corpora": "list the supported kinds of corpora",
    "transform": "apply a transformation to an image",
    "run": "create or resume a run: embed images, train and evaluate probes, and compute embedding maps",
    "predict": "predict whether and how images were edited, using the models of a run",
    "scan": "find edited images in a folder, and write the results as CSV, Parquet and HTML; can be resumed",
    "rank": "rank a model among the models of a run (default: the reference run) without changing the run",
    "board": "rank the included models and the results in a folder of files written by `probing rank --save`",
    "compare": "compare two models, two runs or two score files; with --max-drop, fail if B is significantly worse",
    "parity": "check whether two pipelines compute the same embeddings",
    "diff": "name the edits between images before and after a pipeline, and measure their effect on embeddings",
    "duplicates": "find the similarity thresholds at which few photographs of a folder match, and the recall of copies",
    "report": "write a self-contained HTML report of a run with its leaderboard, claims and explorer",
    "verify": "check the files of a run against their checksums",
    "demo": "serve the dashboard with the reference run, and compute the demo run in the background",
}
"""Command name -> help text."""

REFUSED = frozenset(
    (
        errno.EACCES,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
        getattr(errno, "ESTALE", errno.EIO),  # does not exist on Windows
    )
)
"""Errors of the operating system that depend on a file and are not bugs."""

FIRST_STEPS = (
    ("Explore the results of the included models in the browser", "probing demo", "about 10 s"),
    ("Rank your encoder among the included models", "probing rank timm:tf_efficientnet_lite0@layer=3", "about 40 s"),
    ("Detect whether and how an image was edited", "probing predict cat.jpg", "about 30 s"),
    ("Find out what a pipeline did to its images", "probing diff originals exported", "about 10 s for 10 pairs"),
)
"""What one can do first: purpose, example and duration on two CPU cores, without the download of weights."""


def main(arguments: Sequence[str] | None = None) -> int:
    # Must be set before torch is imported. Spinning threads would compete with the threads that transform images.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    write_utf8()
    if not (sys.argv[1:] if arguments is None else arguments):
        print(first_steps())
        return 0
    options = parse(arguments)
    try:
        load_plugins(options)
        code = options.command(options)
        sys.stdout.flush()  # a full disk can still be reported here
        return code
    except ProbingError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("error: Interrupted. Completed steps are saved. Run the same command again to resume.", file=sys.stderr)
        return options.failure
    except OSError as error:
        return _system_failed(error, options)
    except Exception as error:  # print one line for a bug, with its traceback only on request
        return _report_bug(error, options)


def first_steps() -> str:
    """Return what is printed without a command: four examples with their durations."""
    lines = [f"{purpose}:\n  {command:<50}{duration}" for purpose, command, duration in FIRST_STEPS]
    more = "All commands: probing --help"
    return "\n".join([f"{DESCRIPTION} Durations are for two CPU cores.\n", *lines, f"\n{more}"])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the arguments after ``probing``, importing only the module of the command.

    Returns:
        The arguments of the command, the global options ``traceback`` and ``plugin``, and three additional attributes:
        ``called`` (name of the command), ``command`` (its ``run`` function) and ``failure`` (its exit code for failures
        other than invalid input or corrupted files).
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
        description=DESCRIPTION,
        epilog=f"commands (for details, run `probing COMMAND --help`):\n{listed}",
    )
    parser.add_argument("--version", action="version", version=f"probing {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of unexpected errors")
    add_plugin(parser, "Python file to run first, for example to register models, transformations or corpora")
    parser.add_argument("called", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def parser_of(name: str) -> argparse.ArgumentParser:
    module = importlib.import_module(f"probing_core.cli.{name}_command")
    help = COMMANDS[name]
    parser = Parser(prog=f"probing {name}", description=help, epilog=f"example:\n  {module.EXAMPLE}")
    module.add(parser)
    add_plugin(parser, argparse.SUPPRESS)  # also accepted after the command
    parser.set_defaults(command=module.run, failure=getattr(module, "FAILED", 1))
    return parser


def load_plugins(options: argparse.Namespace) -> None:
    """Run the files passed as ``--plugin``.

    Raises:
        BadConfig: a file does not exist or cannot be run.
    """
    for path in options.plugin:
        load_plugin(path)


def _report_bug(error: Exception, options: argparse.Namespace) -> int:
    if options.traceback:
        raise error
    if failure := failure_in_file(error):
        code = fail(ProbingError(failure, hint="Run `probing --traceback ...` to see the traceback."))
        return max(code, options.failure)  # a command whose exit code is a result has failed
    print_text(
        f"error: {type(error).__name__}: {one_line(error)} (this is a bug; run `probing --traceback ...` to see the "
        "traceback)",
        sys.stderr,
    )
    return options.failure


def _system_failed(error: OSError, options: argparse.Namespace) -> int:
    if error.errno in REFUSED and error.filename is not None:
        reason = f"'{error.filename}' cannot be accessed ({error.strerror}). Check the file and its permissions."
        return max(fail(ProbingError(reason)), options.failure)  # a command whose exit code is a result has failed
    if error.errno not in (errno.EPIPE, errno.ENOSPC):
        return _report_bug(error, options)
    _write_no_more()
    if error.errno == errno.EPIPE:
        return 0
    print("error: The disk is full. Free some space, or write to another disk.", file=sys.stderr)
    return 2


def _write_no_more() -> None:
    """Discard buffered output. Otherwise, Python would try to write it at exit and fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
