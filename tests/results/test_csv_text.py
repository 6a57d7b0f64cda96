"""Tables as CSV: read back as they were, and harmless in a spreadsheet."""

from __future__ import annotations

import unicodedata
from io import StringIO

import pandas as pd
import pytest
from hypothesis import assume, given, settings
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


# Characters without visible strokes, by category and by name; each category contains thousands that are not listed.
INVISIBLE = st.characters(categories=("Cc", "Cf", "Cn", "Co", "Zs", "Zl", "Zp", "Mn", "Me")) | st.sampled_from(
    "\ufeff\u200b\u200d\u2060\u00ad\u202e\x00\x7f\u034f\u3164\u115f\u1160\uffa0\u2800\u180e\ufe0f\U000e0001"
)


@settings(max_examples=60)
@given(st.text(INVISIBLE), st.sampled_from("=+-@＝＋－＠﹦﹢﹣﹫"), st.text(st.characters(exclude_categories=("Cs",))))
def test_csv_text_escapes_formulas_after_invisible_characters(before, sign, after):
    name = f"{before}{sign}{after}|"  # never a number
    read = pd.read_csv(
        StringIO(csv_text(pd.DataFrame({"path": [name]}))), keep_default_na=False, skip_blank_lines=False
    )
    assert read["path"].tolist() == [f"'{name}".replace("\r", " ")]


@settings(max_examples=60)
@given(st.text(INVISIBLE), st.characters(categories=("L", "N")))
def test_csv_text_leaves_names_after_invisible_characters(before, letter):
    assume(not before.startswith(("\t", "\n")) and unicodedata.normalize("NFKC", letter)[0] not in "=+-@")
    name = f"{before}{letter}=1"
    assume(letter not in "\u115f\u1160\u3164\uffa0")
    read = pd.read_csv(
        StringIO(csv_text(pd.DataFrame({"path": [name]}))), keep_default_na=False, skip_blank_lines=False
    )
    assert read["path"].tolist() == [name.replace("\r", " ")]


@given(st.lists(st.text(st.characters(exclude_characters="\r", exclude_categories=("Cs",)), min_size=1), min_size=1))
def test_csv_text_keeps_text(cells):
    text = csv_text(pd.DataFrame({"text": cells}))
    read = pd.read_csv(StringIO(text), keep_default_na=False, dtype=str, skip_blank_lines=False)
    assert [text.removeprefix("'") for text in read["text"]] == [text.removeprefix("'") for text in cells]
