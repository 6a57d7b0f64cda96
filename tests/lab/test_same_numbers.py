from __future__ import annotations

from pathlib import Path

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


def write_run(run: Path, contents: dict[str, bytes | pd.DataFrame]) -> Path:
    own = {"run.toml": run.name.encode(), "log/events.jsonl": run.name.encode()}
    for name, content in {**own, **contents}.items():
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.to_parquet(path)
    return run


def test_runs_are_compared_by_path(tmp_path, capsys):
    old = write_run(tmp_path / "old", {"tables/a.parquet": SCORES, "gone.toml": b"1", "same.toml": b"1"})
    new = write_run(tmp_path / "new", {"tables/a.parquet": SCORES.assign(value=0.75), "same.toml": b"1"})
    found = compare_runs(old, new)
    assert not report(found)
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["old", "DIFFERS", "3"]
    assert "1 with the same bytes" in rows[-1]


def test_report_exact_counts_bytes_and_files_of_one_side(tmp_path):
    old = write_run(tmp_path / "old", {"a.toml": b"1"})
    assert report(compare_runs(old, old), exact=True)
    others = {
        "bytes": write_run(tmp_path / "bytes", {"a.toml": b"2"}),
        "more": write_run(tmp_path / "more", {"a.toml": b"1", "b.toml": b""}),
    }
    for new in others.values():
        found = compare_runs(old, new)
        assert report(found)
        assert not report(found, exact=True)


def test_compare_runs_counts_the_files_of_a_base(tmp_path):
    joined = write_run(tmp_path / "joined", {"base/a.toml": b"1", "base/b.toml": b"1", "b.toml": b"2"})
    copy = write_run(tmp_path / "copy", {"a.toml": b"1", "b.toml": b"2"})
    assert report(compare_runs(joined, copy), exact=True)
