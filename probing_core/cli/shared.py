"""Functions that the commands share: argument parsing, and printing of tables and errors."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO

from probing_core.errors import ProbingError, one_line, without_controls


class Parser(argparse.ArgumentParser):
    """Argument parser that preserves line breaks in help texts and prints errors on one line."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **keywords)

    def error(self, message: str) -> None:  # type: ignore[override]
        print_text(f"error: {message}. Run `{self.prog} --help` to see an example.", sys.stderr)
        raise SystemExit(2)


def add_plugin(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py", help=help)


SHARED: dict[str, dict[str, Any]] = {
    "--json": {"action": "store_true", "help": "print a JSON array to stdout"},
    "--device": {"default": "auto", "help": "device for models: auto (default), cpu, cuda, cuda:1, mps"},
    "--precision": {"default": "auto", "help": "precision of models: auto (default), float32, bfloat16, float16"},
}
"""Arguments that several commands share."""


def add_shared(parser: argparse.ArgumentParser, *flags: str) -> None:
    for flag in flags:
        parser.add_argument(flag, **SHARED[flag])


def name_list(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("expected one or more names, separated by commas")
    return names


def natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a non-negative integer, got '{text}'")
    return int(text)


def write_utf8() -> None:
    """Let standard output and standard error accept all characters.

    On Windows, output to a file or a pipe would use a code page, which has no minus sign, for example. On every system,
    this output is UTF-8 instead, unless ``PYTHONIOENCODING`` is set. Terminals keep their encoding. Characters that
    cannot be encoded are written as escape sequences, such as those in names of files that are not valid Unicode.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_fixed = stream.isatty() or "PYTHONIOENCODING" in os.environ
            encoding = stream.encoding if is_fixed else "utf-8"
            with suppress(OSError):  # the stream was a file, and has been redirected to a pipe since
                stream.reconfigure(encoding=encoding, errors="backslashreplace")


def print_text(value: object, file: TextIO | None = None) -> None:
    """Print text that may contain names from files. Without their control characters, it cannot control a terminal.

    Args:
        file: stream to print to, by default standard output.
    """
    print(without_controls(str(value)), file=file)


def print_json(rows: Sequence[dict[Any, Any]]) -> None:
    print(json.dumps(_safe(list(rows)), indent=1))


def print_object(value: dict[str, Any]) -> None:
    print(json.dumps(_safe(value), indent=1))


def print_list(problems: Sequence[str], rows: list[dict[str, Any]], as_json: bool) -> int:
    """Print catalog entries to standard output and ``problems`` as warnings to standard error; return the exit code."""
    from probing_core.measures.notation import text_table

    for problem in problems:
        print_text(f"warning: {problem}", sys.stderr)
    print_json(rows) if as_json else print_text(text_table(rows))
    return 0


def _safe(value: Any) -> Any:
    """Replace non-finite numbers, which JSON does not support, with None."""
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def fail(error: ProbingError) -> int:
    """Print an error and, if it has one, its hint, and return the exit code."""
    print_text(f"error: {one_line(error)}", sys.stderr)
    if error.hint:
        print_text(f"hint: {error.hint}", sys.stderr)
    return 2


def function_or_name(text: str) -> str | Callable[..., Any]:
    """Load the function specified as ``FILE.py:NAME``, or return any other text unchanged.

    Raises:
        BadConfig: the file or function does not exist, or the file cannot be run.
    """
    from probing_core.models.python_function import parse_function

    function = parse_function(text)
    return text if function is None else function.load()


@contextmanager
def running(*models: str) -> Iterator[tuple[str | Callable[..., Any], ...]]:
    """Return a context manager that loads ``models``, as in `function_or_name`, for the code inside it.

    Functions in files print to standard error, because standard output is for results. Errors about their results name
    the file and line.
    """
    from probing_core.models.python_function import located

    with redirect_stdout(sys.stderr), ExitStack() as stack:
        loaded = tuple(map(function_or_name, models))
        for model in loaded:
            stack.enter_context(located(model))
        yield loaded
