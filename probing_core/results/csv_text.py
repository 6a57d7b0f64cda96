"""Format tables as CSV for spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from itertools import dropwhile
from typing import Any

import pandas as pd

FORMULA_SIGNS = ("=", "+", "-", "@")
"""Characters with which formulas begin. Spreadsheets also accept variants, such as the full-width equals sign."""

BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols without visible strokes, such as the Hangul filler."""

NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def csv_text(table: pd.DataFrame, header: bool = True) -> str:
    r"""Format ``table`` as CSV without its index. Text that a spreadsheet could execute is prefixed with an apostrophe.

    All tables for download are formatted with this function.

    Examples:
        >>> csv_text(pd.DataFrame({"path": ["=1+1.jpg", "cat.jpg"], "p": [-0.5, 1.0]}))
        "path,p\n'=1+1.jpg,-0.5\ncat.jpg,1.0\n"
    """
    text = {
        name: column.astype(object).map(_escaped)
        for name, column in table.items()
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))
    }
    escaped = table.assign(**text).rename(columns=_escaped)  # type: ignore[arg-type]
    return escaped.to_csv(index=False, header=header, lineterminator="\n")


def _escaped(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ")  # pandas does not quote carriage returns, which start a new row in spreadsheets
    return f"'{cell}" if _may_be_formula(cell) and not NUMBER.fullmatch(cell) else cell


def _may_be_formula(text: str) -> bool:
    """Return whether a spreadsheet may execute ``text``. Invisible characters before a formula may be dropped."""
    first = next(dropwhile(_is_invisible, text), "")
    return text.startswith(("\t", "\n")) or unicodedata.normalize("NFKC", first).startswith(FORMULA_SIGNS)


def _is_invisible(letter: str) -> bool:
    # The categories are controls, formats and unassigned characters (C), spaces (Z) and combining marks (M).
    return unicodedata.category(letter)[0] in "CZM" or letter in BLANK
