"""What the commands share on the way in: the parser, and types of arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


class Parser(argparse.ArgumentParser):
    """Shows each command's example as it was written."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **keywords)

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"error: {message}; `{self.prog} --help` shows an example.", file=sys.stderr)
        raise SystemExit(2)


def add_plugin(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--plugin", type=Path, action="append", default=[], metavar="FILE.py", help=help)


def name_list(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("names are separated by commas, and at least one is needed")
    return names


def natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"a whole number, 0 or more, was expected; got '{text}'")
    return int(text)
