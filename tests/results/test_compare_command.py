"""`probing compare`: two models of a run, or two runs."""

from __future__ import annotations

import json

import pytest

from probing_core.cli import main
from probing_core.results.comparison import compare


def test_two_models_of_a_run_are_compared_by_the_same_photographs(made_run, capsys):
    command = ["compare", "zoo/mae", "baseline/pixels", "--run", str(made_run)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("zoo/mae less baseline/pixels:\n")
    assert "corrected by Holm over the rows" in printed
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    table = compare("zoo/mae", "baseline/pixels", made_run)
    assert [row["difference"] for row in rows] == pytest.approx(table["difference"].tolist())
    assert [row["p"] for row in rows] == pytest.approx(table["p"].tolist())
    first = next(line for line in printed.splitlines() if line.startswith("fine"))
    assert f"{100 * table['difference'].iloc[0]:+.1f}" in first


def test_two_runs_are_recognized(made_run, capsys):
    assert main(["compare", str(made_run), str(made_run), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in rows} == {row["other"] for row in rows}
    assert all(row["difference"] == 0 for row in rows)
    assert main(["compare", str(made_run), str(made_run)]) == 0
    assert "zoo/mae, in A less in B:" in capsys.readouterr().out


def test_what_cannot_be_compared_exits_2(made_run, capsys):
    assert main(["compare", "zoo/none", "zoo/mae", "--run", str(made_run)]) == 2
    assert "no model 'zoo/none' to compare" in capsys.readouterr().err
    assert main(["compare", str(made_run), "zoo/mae"]) == 2
    assert "Two models of a run are compared, or two runs" in capsys.readouterr().err
