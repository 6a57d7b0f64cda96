"""Tables as CSV: read back as they were, and harmless in a spreadsheet."""

from __future__ import annotations

from io import StringIO

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing_core.results.csv_text import csv_text

HOSTILE = (
    "=1+1",
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    '=HYPERLINK("http://x").jpg',
)


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_csv_text_begins_what_is_hostile_with_an_apostrophe(dtype):
    table = pd.DataFrame({"path": pd.Series(HOSTILE, dtype=dtype), "p": 0.5})
    read = pd.read_csv(StringIO(csv_text(table)))
    assert read["p"].tolist() == [0.5] * len(HOSTILE)
    assert [text[0] for text in read["path"]] == ["'"] * len(HOSTILE)


def test_csv_text_escapes_names_of_columns():
    assert csv_text(pd.DataFrame({"=1+1": [1]})).startswith("'=1+1\n")


def test_csv_text_leaves_numbers():
    table = pd.DataFrame({"value": [-1.5, float("nan")], "text": ["-1.5", "-2e-05"], "flag": [True, False]})
    assert csv_text(table) == table.to_csv(index=False)


@given(st.lists(st.text(st.characters(exclude_characters="\r", exclude_categories=("Cs",)), min_size=1), min_size=1))
def test_csv_text_keeps_text(cells):
    text = csv_text(pd.DataFrame({"text": cells}))
    read = pd.read_csv(StringIO(text), keep_default_na=False, dtype=str, skip_blank_lines=False)
    assert [text.removeprefix("'") for text in read["text"]] == [text.removeprefix("'") for text in cells]
