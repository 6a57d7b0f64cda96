"""Run all benchmarks and print one JSON object (``make bench``).

The result of each benchmark is also printed to stderr. On two cores, each benchmark takes at most five minutes,
and all benchmarks take less than twenty. To run only some benchmarks, specify their names, as in
``python -m lab.benchmarks scan score``. If a benchmark fails, the others are still run, and the exit code is 1.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import traceback
from collections.abc import Sequence

from lab import benchmarks
from lab.devtools.commands import parser_of

PARTS = tuple(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_"))


def measure(parts: Sequence[str], small: bool = False) -> tuple[dict, list[str]]:
    """Return the results of the benchmarks, and the names of the benchmarks that failed."""
    results: dict = {}
    failed = []
    for part in parts:
        print(f"Measuring {part} ...", file=sys.stderr, flush=True)
        try:
            module = importlib.import_module(f"lab.benchmarks.{part}")
            measured = module.run(module.SMALL if small else module.Size())
        except Exception:  # the boundary of a part: the others go on
            traceback.print_exc()
            failed.append(part)
            continue
        print(json.dumps(measured), file=sys.stderr, flush=True)
        results |= measured
    return results, failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 if a benchmark failed, otherwise 0."""
    parser = parser_of(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--small", action="store_true", help="run with minimal sizes, as a test")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    results, failed = measure(options.parts or PARTS, options.small)
    print(json.dumps(results, indent=1))
    if failed:
        print(f"error: {', '.join(failed)} failed.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
