"""Scripts with environments of their own, and tables that are made a part at a time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from lab.devtools import commands
from lab.devtools.commands import END, errors_in_a_line, generated, put_row, replace_rows, uv_run

OWN = """
# /// script
# dependencies = []
# ///
import sys

print(*sys.argv[1:])
sys.exit(len(sys.argv) - 2)
"""


@pytest.mark.skipif(not shutil.which("uv", path=commands.places()), reason="no uv on this machine")
def test_uv_runs_a_script_and_its_failure_is_an_error(tmp_path):
    script = tmp_path / "own.py"
    script.write_text(OWN)
    assert uv_run(script, 3) == "3\n"
    with pytest.raises(subprocess.CalledProcessError):
        uv_run(script, 3, 4)


def test_without_uv_one_sentence_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(commands, "places", lambda: str(tmp_path))
    command = errors_in_a_line(lambda: print(uv_run(Path("foreign_imgaug.py"))))
    assert command() == 2
    told = capsys.readouterr().err
    assert told.startswith("error: foreign_imgaug.py requires uv")
    assert "pip install uv" in told
    assert len(told.splitlines()) == 1


def test_a_part_replaces_its_own_rows_and_leaves_those_of_others(tmp_path):
    file = tmp_path / "scores.parquet"
    first = pd.DataFrame({"part": ["mae", "mae", "clip"], "value": [0.1, 0.2, 0.6]})
    assert replace_rows(file, first, "part").equals(first), "there was no file"
    mine = first[first["part"] == "mae"].assign(value=0.5)
    both = replace_rows(file, mine, "part")
    assert pd.read_parquet(file).equals(both)
    assert both["part"].value_counts().to_dict() == first["part"].value_counts().to_dict()
    assert (both.loc[both["part"] == "mae", "value"] == 0.5).all()
    others = [table[table["part"] == "clip"].reset_index(drop=True) for table in (both, first)]
    assert others[0].equals(others[1])


def test_a_row_takes_its_place_in_a_table_and_the_others_stay(tmp_path):
    page, begin, head = tmp_path / "page.md", "<!-- generated -->", "| name | n |\n| --- | --- |"
    page.write_text(f"before\n{begin}\n\n{head}\n| a | 1 |\n| c | 3 |\n| gone | 0 |\n\n{END}\nafter\n")
    put_row(page, begin, head, ["a", "b", "c"], "b", "2")
    assert generated(page.read_text(), begin) == f"{head}\n| a | 1 |\n| b | 2 |\n| c | 3 |"
    put_row(page, begin, head, ["a", "b", "c"], "a", "9")
    assert generated(page.read_text(), begin) == f"{head}\n| a | 9 |\n| b | 2 |\n| c | 3 |"
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith(f"{END}\nafter\n")
