"""Tables and errors as the commands print them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from probing_core.errors import ProbingError, one_line


def print_json(rows: Sequence[dict[Any, Any]]) -> None:
    print(json.dumps(_safe(list(rows)), indent=1))


def print_list(problems: Sequence[str], rows: list[dict[str, Any]], as_json: bool) -> int:
    """Print the list, and as warnings the problems with entries of other packages; return the exit code."""
    from probing_core.measures.notation import text_table

    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    print_json(rows) if as_json else print(text_table(rows))
    return 0


def _safe(value: Any) -> Any:
    """Replace numbers that are not finite, which JSON cannot hold, by None."""
    if isinstance(value, dict):
        return {key: _safe(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def fail(error: ProbingError) -> int:
    print(f"error: {one_line(error)}", file=sys.stderr)
    return 2
