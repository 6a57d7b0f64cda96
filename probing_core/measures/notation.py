"""Numbers as people write them: 240, 0.012, 12,400 and 17 %, and no exponent where a few more digits do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MAX_PLAIN, MIN_PLAIN = 1e15, 1e-6
"""Beyond these, most digits would be zeros: the number has an exponent."""


def decimal(value: float, digits: int = 3) -> str:
    """Format ``value`` rounded to ``digits`` significant digits, without trailing zeros; all digits before the point
    stay.

    Thousands are separated by commas. NaN is written as ``""``.
    """
    if not math.isfinite(value):
        return "" if math.isnan(value) else f"{value:g}"
    if value and not MIN_PLAIN <= abs(value) < MAX_PLAIN:
        return ("\N{MINUS SIGN}" if value < 0 else "") + f"{abs(value):.{digits}g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return minus(text)


def in_percent(share: float, places: int = 0) -> str:
    """Format a fraction as a percentage, ``17 %`` for 0.17, rounded to ``places`` after the point."""
    return minus(f"{100 * share:.{places}f} %")


def in_points(difference: float) -> str:
    """Format a difference of two fractions in percentage points with its sign, ``+1.2`` for 0.012."""
    return minus(f"{100 * difference:+.1f}")


def minus(number: str) -> str:
    """Return a formatted number with a minus sign in place of its hyphen, which is shorter than the plus sign, and none
    before zero."""
    return number.removeprefix("-") if not number.strip("-+0., %") else number.replace("-", "\N{MINUS SIGN}", 1)


def text_table(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> str:
    """Return rows as lines of aligned columns, the names of the columns first; empty where there is no row."""
    if not isinstance(rows, Sequence):
        rows = [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False)]
    if not rows:
        return ""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return decimal(value)
    return "" if value is None else str(value)
