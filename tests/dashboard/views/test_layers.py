"""The page Layers without a browser."""

from __future__ import annotations

import re

from probing_core.measures.notation import model_title
from probing_core.results import Run, summaries
from tests.dashboard.app_reading import figures, texts
from tests.dashboard.conftest import REFERENCE

FEW = 8


def test_of_many_networks_the_best_and_no_ablations_are_drawn_and_counted_as_in_the_sidebar(open_app):
    app = open_app("Layers", run=REFERENCE)
    assert not app.exception
    (figure,) = figures(app)
    drawn = {trace["name"] for trace in figure["data"]}
    run = Run.open(REFERENCE)
    rows = summaries.layers(run)
    best = rows[rows["task"] == "fine"].groupby("base")["value"].max().idxmax()
    assert len(drawn) <= FEW < rows["base"].nunique()
    assert model_title(best) in drawn
    assert not [name for name in drawn if "style-free captions" in name or "crop only" in name]
    shown = texts(app)
    count = int(re.search(r"In \w+ of (\d+) networks", shown)[1])
    assert f"of the {count} encoders" in shown
    assert f"· {count} encoders ·" in shown
    kinds = re.findall(
        r"(\d+) (?:encoder|intermediate layer|baseline|additional seed)s?\b", shown.split("samples · ")[1][:99]
    )
    assert sum(map(int, kinds)) == len(run.models)
