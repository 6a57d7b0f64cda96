from __future__ import annotations

import pandas as pd
import pytest

from lab.evidence.remade import differences, table_of
from probing_core.errors import BadRun
from probing_core.results import Run
from probing_core.run.layout import table_path


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


def test_differences_are_in_points_and_rows_are_paired_by_what_names_them():
    scores = pd.DataFrame({"model": "m", "probe": ["linear", "mlp"], "subset": "seen", "value": [0.5, 0.25]})
    other = scores.iloc[::-1].assign(value=[0.26, 0.5])
    assert differences(scores, other).to_list() == pytest.approx([0.0, 1.0])
    with pytest.raises(BadRun, match="different scores"):
        differences(scores, scores.iloc[:1])


def test_a_run_beside_itself_has_the_same_scores(run):
    lines = table_of(run, run).splitlines()[2:]
    assert len(lines) >= 4 * len(run.models)
    for line in lines:
        _, _, many, same, largest, beyond = line.strip("| ").split(" | ")
        assert (same, largest, beyond) == (many, "0.00" if int(many) else largest, "0")
    linear = [line for line in lines if "balanced accuracy" in line]
    scores = run.table(table_path("scores"))
    counted = scores[(scores["probe"] == "linear") & (scores["measure"] == "balanced-accuracy")].groupby("model").size()
    assert [int(line.split(" | ")[2]) for line in linear] == [counted[name] for name in run.models["name"]]
