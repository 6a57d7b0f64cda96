"""Blocks -> one HTML page. Every text is escaped; figures are data that the page's own script draws."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from probing_core.charts import Figure, to_json
from probing_core.measures.notation import decimal

TEMPLATE = Path(__file__).with_name("page.html")
MAX_ROWS = 4000


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    warning: bool = False

    kind = "text"


@dataclass(frozen=True)
class Chart:
    """A figure in both sets of colors.

    Attributes:
        alt: what it shows, for people who do not see it.
    """

    light: Figure
    dark: Figure
    alt: str
    caption: str = ""

    kind = "figure"


@dataclass(frozen=True)
class Table:
    """A table; numbers stand right.

    Attributes:
        percent: columns of fractions that are written in percent -> their titles.
    """

    frame: pd.DataFrame
    caption: str = ""
    percent: Mapping[str, str] = field(default_factory=dict)

    kind = "table"


@dataclass(frozen=True)
class More:
    """Blocks that a reader opens."""

    title: str
    blocks: Sequence[Any]

    kind = "more"


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Any]

    @property
    def anchor(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def render(title: str, sections: Sequence[Section]) -> str:
    """Render the page."""
    from jinja2 import Environment

    numbers = count(1)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure_data": _figure_data, "cells": _cells}
    environment.globals["next_id"] = lambda: f"figure-{next(numbers)}"
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return page.render(title=title, sections=[s for s in sections if s.blocks], plotly=Markup(get_plotlyjs()))


def _figure_data(figure: Figure) -> Any:
    """Return the figure as JSON that may stand inside a script element."""
    text = to_json(figure).decode()
    # As JSON allows: no label can then end the element or begin another.
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _cells(table: Table) -> dict[str, Any]:
    """Return head, rows of (text, is a number) and how many rows are not shown."""
    frame = table.frame.head(MAX_ROWS)
    rows = [
        [_cell(value, name in table.percent) for name, value in zip(frame.columns, row, strict=True)]
        for row in frame.itertuples(index=False, name=None)
    ]
    head = [table.percent.get(name, str(name)) for name in frame.columns]
    return {"head": head, "rows": rows, "left_out": len(table.frame) - len(frame)}


def _cell(value: Any, percent: bool) -> tuple[str, bool]:
    if isinstance(value, bool | np.bool_):
        return ("yes" if value else "no"), False
    if isinstance(value, int | np.integer):
        return f"{value:,}", True
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return "", True
        return (f"{100 * value:.1f}" if percent else decimal(float(value))), True
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True), False
    return ("" if value is None else str(value)), False
