"""The page Generalization without a browser."""

from __future__ import annotations

import shutil

import pandas as pd

from probing_core.results import Run
from probing_core.runs.store import Store
from tests.dashboard.app_reading import texts


def test_the_control_of_the_far_styles_stands_beside_them(open_app, made_run, tmp_path):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    scores = Run.open(run).scores
    unseen = scores[(scores["subset"] == "unseen") & (scores["measure"] == "group-hit-rate")]
    far, control = unseen.assign(subset="far", value=0.5), unseen.assign(subset="far-control", value=0.25)
    Store(run).write_table("tables/scores.parquet", pd.concat([scores, far, control]), "made")
    app = open_app("Generalization", run=run)
    assert not app.exception
    table = next(t.value for t in app.dataframe if "control" in t.value)
    assert len(table) == len(control)
    assert set(table["far"]) == {50.0}
    assert set(table["control"]) == {25.0}
    assert "which is no style" in texts(app)
