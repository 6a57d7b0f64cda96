"""What the commands share on the way in: the parser, one command of it, and types of arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Shows each command's example as it was written."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **keywords)

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"error: {message}; `{self.prog} --help` shows an example.", file=sys.stderr)
        raise SystemExit(2)


def add_command(commands: Any, name: str, command: Command, help: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help, epilog=f"example:\n  {example}")
    parser.set_defaults(command=command, failure=1)
    # Behind the command as well, where people write it; the help of `probing` tells of it once.
    parser.add_argument(
        "--plugin", dest="plugin_behind", type=Path, action="append", default=[], help=argparse.SUPPRESS
    )
    return parser


def name_list(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("names are separated by commas, and at least one is needed")
    return names


def natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"a whole number, 0 or more, was expected; got '{text}'")
    return int(text)
