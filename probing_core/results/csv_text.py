"""Tables as CSV for spreadsheets."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\n]")
"""First characters of texts that spreadsheets execute as a formula; file names and labels may contain them."""

NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def csv_text(table: pd.DataFrame, header: bool = True) -> str:
    r"""Return ``table`` as CSV without its index. An apostrophe precedes texts that a spreadsheet would execute.

    All tables for download are written by this function.

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
    cell = cell.replace("\r", " ")  # pandas does not quote a carriage return, at which spreadsheets begin a row
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell
