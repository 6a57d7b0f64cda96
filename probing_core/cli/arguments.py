"""Parser and types of arguments that the commands share."""

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


SHARED: dict[str, dict[str, Any]] = {
    "--json": {"action": "store_true", "help": "one JSON array on stdout"},
    "--device": {"default": "auto", "help": "auto (default), cpu, cuda, cuda:1, mps"},
    "--precision": {"default": "auto", "help": "auto (default), float32, bfloat16, float16"},
}
"""Arguments that several commands take alike."""


def add_shared(parser: argparse.ArgumentParser, *flags: str) -> None:
    for flag in flags:
        parser.add_argument(flag, **SHARED[flag])


def name_list(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("names are separated by commas, and at least one is needed")
    return names


def natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"a whole number, 0 or more, was expected; got '{text}'")
    return int(text)
