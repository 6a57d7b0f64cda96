"""The page Generalization without a browser."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from dashboard.text import named
from probing_core.results import Run, summaries
from probing_core.run.store import Store
from tests.dashboard.app_reading import figures, texts, unescaped
from tests.dashboard.conftest import REFERENCE


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


def test_the_thirty_come_first_by_their_loss_and_models_as_means_of_the_rotations(open_app):
    run = Run.open(REFERENCE)
    app = open_app("Generalization", run=REFERENCE, model="zoo/mae")
    assert not app.exception
    members, models = figures(app)[:2]
    points = summaries.members(run, "zoo/mae")
    seen = points[~points["unseen"]].groupby("transform")["value"].mean()
    unseen = points[points["unseen"]].set_index("transform")["value"]
    order = list((seen - unseen).sort_values(ascending=False).index)
    assert members["data"][1]["x"] == order
    chance = 100 / len(run.classes("group-0"))
    assert members["layout"]["shapes"][0]["y0"] == pytest.approx(chance)
    assert members["layout"]["annotations"][0]["text"] == f"chance {chance:.0f} %"
    assert f"It loses most on **{named(order[0])}**: {100 * seen[order[0]]:.0f} %" in unescaped(app)
    rows = summaries.rotations(run)
    *dots, ticks = models["data"][1:]
    further = {}
    for trace in dots:
        means = rows[rows["subset"] == trace["name"]].groupby("model")["value"].mean() * 100
        another = means.index.str.contains("@seed=")
        assert dict(zip(trace["customdata"], trace["x"], strict=True)) == pytest.approx(means[~another].to_dict())
        further |= {f"{model}, {trace['name']}": value for model, value in means[another].items()}
    shown = [text.partition(":")[0] for text in ticks["customdata"]]
    assert dict(zip(shown, ticks["x"], strict=True)) == pytest.approx(further)
    assert not [e for e in app.dataframe if "gap" in e.value]
    opened = open_app("Generalization", run=REFERENCE, show_rotations="True")
    assert [e for e in opened.dataframe if "gap" in e.value]
