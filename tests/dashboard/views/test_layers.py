"""The page Layers without a browser."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest

from probing_core.measures.notation import model_title
from probing_core.measures.statistics import networks
from probing_core.results import Run, summaries
from tests.dashboard.app_reading import texts
from tests.dashboard.conftest import REFERENCE

FEW = 9


def specs(app) -> list[dict]:
    """The Vega-Lite charts of the page."""
    return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]


def test_layers_page_draws_few_networks_and_names_the_others(open_app):
    app = open_app("Layers", run=REFERENCE)
    assert not app.exception
    run = Run.open(REFERENCE)
    rows = summaries.layers(run)
    charts = specs(app)
    assert len(charts) == 4, "two depths for each of two tasks"
    names = [name for chart in charts[:2] for name in chart["layer"][-1]["encoding"]["color"]["scale"]["domain"]]
    best = rows[rows["task"] == "fine"].groupby("base")["value"].max().idxmax()
    assert len(names) <= FEW < rows["base"].nunique()
    assert model_title(best) in names
    encoders = [name for name in networks(rows["base"]) if not name.startswith("baseline/")]
    left_out = [model_title(name) for name in encoders if model_title(name) not in names]
    assert left_out
    shown = texts(app).replace("\\", "")
    assert all(name in shown for name in left_out)
    kinds = re.findall(
        r"(\d+) (?:encoder|intermediate layer|baseline|additional seed)s?\b", shown.split("samples · ")[1][:99]
    )
    assert sum(map(int, kinds)) == len(run.models)


def test_layers_page_states_no_absolute_accuracy_and_the_training_crops(open_app):
    app = open_app("Layers", run=REFERENCE)
    shown = texts(app)
    assert not re.search(r"accuracy (of|is) \d", shown)
    crops = summaries.training_crops(Run.open(REFERENCE))
    for task, spec in zip(("fine", "fine", "content", "content"), specs(app), strict=True):
        assert f"{crops[task]:,} training crops" in spec["layer"][-1]["encoding"]["y"]["title"]


def test_both_charts_and_the_table_of_layers_mark_the_layer_selected_for_transformations(open_app):
    app = open_app("Layers", run=REFERENCE)
    charts = [pa.ipc.open_stream(chart.proto.data.data).read_pandas() for chart in app.get("vega_lite_chart")]
    marked = [rows[rows["kind"].str.startswith("selected")].set_index("model")["of"].to_dict() for rows in charts]
    table = app.dataframe[0].value.set_index("model")["layer"]
    assert marked[:2] == marked[2:], "the charts of content mark the same layers"
    assert (marked[0] | marked[1]).items() <= {model_title(name): layer for name, layer in table.items()}.items()


def test_layers_page_draws_intervals(open_app):
    app = open_app("Layers", run=REFERENCE)
    assert not app.exception
    assert [any(layer["mark"]["type"] == "area" for layer in spec["layer"]) for spec in specs(app)] == [True] * 4


def test_layers_page_of_a_run_without_layers_says_so(open_app):
    app = open_app("Layers")
    assert not app.exception
    assert "Only neural networks have layers" in app.info[0].value


def test_layers_page_lists_the_chosen_layer_of_every_network(open_app):
    app = open_app("Layers", run=REFERENCE)
    rows = Run.open(REFERENCE).table("tables/layers.parquet")
    table = app.dataframe[0].value.set_index("model")
    networks_of_run = {name for name in rows["model"] if "@seed" not in name}
    assert set(table.index) == set(map(model_title, networks_of_run))
    for name in ("zoo/clip-plain", "timm:tf_efficientnet_lite0"):
        own = rows[(rows["model"] == name) & (rows["task"] == "fine")].set_index("layer")
        (chosen,) = own.index[own["chosen"]]
        title = model_title(name)
        assert table.loc[title, "layer"] == f"{chosen} of {own.index.max()}"
        expected = 100 * (own.loc[chosen, "value"] - own.loc[own.index.max(), "value"])
        assert table.loc[title, "transformation"] == pytest.approx(expected)
