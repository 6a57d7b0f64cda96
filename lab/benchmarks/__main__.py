"""``make bench``: every benchmark in one run, one JSON object on stdout; what happens meanwhile goes to stderr."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import benchmarks

PEERS = "_peer"
"""Modules that run inside another virtual environment are not benchmarks themselves."""


def main() -> None:
    results: dict = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name.startswith("_") or module.name.endswith(PEERS):
            continue
        print(f"Measuring {module.name} ...", file=sys.stderr, flush=True)
        measured = importlib.import_module(f"lab.benchmarks.{module.name}").run()
        print(json.dumps(measured), file=sys.stderr, flush=True)  # a stopped run keeps what it has measured
        results |= measured
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
