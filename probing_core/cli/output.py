"""What the commands share on the way out: tables and errors."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from probing_core.errors import ProbingError, one_line
from probing_core.measures.notation import text_table


def print_rows(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print(text_table(rows))


def json_safe(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: None in place of numbers that are not finite."""
    if isinstance(value, dict):
        return {key: json_safe(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def fail(error: ProbingError) -> int:
    print(f"error: {one_line(error)}", file=sys.stderr)
    return 2
