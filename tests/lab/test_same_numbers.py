from __future__ import annotations

import pandas as pd
import pytest

from lab.same_numbers import compare_runs, compare_tables, report

SCORES = pd.DataFrame(
    {
        "model": ["a", "a", "b"],
        "subset": ["all", "test", "all"],
        "value": [0.5, 0.25, float("nan")],
        "images": [7, 8, 9],
        "note": ["", "", "few"],
    }
)


def test_other_order_and_other_words_are_the_same_numbers():
    one = compare_tables(SCORES, SCORES.iloc[::-1].assign(note="words"))
    assert (one.same, one.largest, one.rows, one.only) == (True, 0.0, 3, "")


@pytest.mark.parametrize(
    ("column", "values", "largest"),
    [
        ("value", [0.5, 0.25 + 1e-5, float("nan")], pytest.approx(1e-5)),
        ("value", [0.5, 0.25, 0.0], float("inf")),
        ("images", [7, 8, 10], pytest.approx(1 / 9)),
    ],
)
def test_a_number_that_differs_is_found(column, values, largest):
    one = compare_tables(SCORES, SCORES.assign(**{column: values}))
    assert (one.same, one.largest, one.where) == (False, largest, column)


def test_a_difference_of_the_last_bits_is_none():
    assert compare_tables(SCORES, SCORES.assign(value=SCORES["value"] + 1e-8)).same


def test_columns_and_rows_of_one_side_are_listed():
    one = compare_tables(SCORES, SCORES.drop(columns="images").iloc[:2])
    assert one.same
    assert "old alone: images" in one.only
    assert "old alone: 1 rows" in one.only


def test_tables_without_a_common_row_differ():
    assert not compare_tables(SCORES, SCORES.assign(model="c")).same


def test_runs_are_compared_by_path(tmp_path, capsys):
    for side, value in (("old", 0.5), ("new", 0.75)):
        for name in ("scores.parquet", f"{side}.parquet", "map.parquet"):
            path = tmp_path / side / "tables" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            SCORES.assign(value=value).to_parquet(path)
    found = compare_runs(tmp_path / "old", tmp_path / "new")
    assert not report(found)
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 3
    assert [row.split()[0] for row in rows if "scores" in row] == ["DIFFERS"]
