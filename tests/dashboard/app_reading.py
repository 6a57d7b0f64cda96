"""What a page that was opened without a browser shows."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest


def texts(app: Any) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "header", "subheader")
    return "\n".join(str(e.value) for kind in kinds for e in app.get(kind))


def unescaped(app: Any) -> str:
    """`texts` without what keeps names from being read as Markdown."""
    return texts(app).replace("\\", "")


def label(app: Any, kind: str, name: str):
    return next(e for e in app.get(kind) if e.label == name)


def first_answers(app: Any) -> list[dict[str, list[str]]]:
    """The tables of answers of a page: model -> the answer for each image that is compared."""
    tables = [html for e in app.get("html") if '<table class="answers"' in (html := e.proto.body)[:200]]
    return [
        {
            unescape(model): [
                unescape(words).replace("\N{NO-BREAK SPACE}", " ")
                for words in re.findall(r'class="words[^"]*">([^<]*)<', row)
            ]
            for model, row in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table)
        }
        for table in tables
    ]


def images_listed(app: Any) -> list[str]:
    """The names in the table of several images; none for one image, which has no table."""
    return next((list(table.value["name"]) for table in app.dataframe if "thumbnail" in table.value), [])


def lines_of_pictures(app: Any) -> list[list[str]]:
    """The tables of pictures of a page: address of the thumbnail, name, remark, answer, and so on, of each line."""
    bodies = [each.proto.body for each in app.get("html")]
    rows = re.findall("<tr>(<td>.*?)</tr>", "".join(body for body in bodies if 'class="examples"' in body[:30]))
    lines = []
    for row in rows:
        name, remark = re.findall("<th[^>]*>([^<]*)<small>([^<]*)</small>", row)[0]
        cells = re.findall("<td>([^<]*)</td>", row.partition("</th>")[2])
        lines.append(["".join(re.findall('src="(.*?)"', row)), *map(unescape, [name, remark, *cells])])
    return [[text.replace("\N{NO-BREAK SPACE}", " ") for text in line] for line in lines]


def figures(app: AppTest) -> list[dict]:
    """The figures of the page's charts, as the browser draws them."""
    return [json.loads(chart.proto.spec, object_hook=_unpacked) for chart in app.get("plotly_chart")]


def _unpacked(found: dict) -> Any:
    """Plotly sends arrays of numbers as bytes."""
    if "bdata" not in found:
        return found
    return np.frombuffer(base64.b64decode(found["bdata"]), found["dtype"]).tolist()


def heat_map_cells(figure: dict) -> dict[tuple[str, str], tuple[float, str, str]]:
    """The value, text and hover text of each cell of a heat map, by row and column."""
    light, dark, marks = figure["data"]
    values = np.fmax(np.array(light["z"], float).ravel(), np.array(dark["z"], float).ravel())
    written = [a or b for a, b in zip(np.ravel(light["text"]), np.ravel(dark["text"]), strict=True)]
    cells = zip(values, written, marks["text"], strict=True)
    return dict(zip(map(tuple, marks["customdata"]), cells, strict=True))


def address(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]
