"""The page Layers without a browser."""

from __future__ import annotations

import shutil

from probing_core.measures.seeds import with_place
from probing_core.results import Run, summaries
from probing_core.results.sentences import layers_finding
from tests.dashboard.app_reading import address, figures, texts, unescaped
from tests.dashboard.conftest import REFERENCE
from tests.made_studies import add_studies


def marks_of(app) -> dict[str, tuple[float, float]]:
    paths = figures(app)[0]["data"]
    return {trace["name"]: (trace["x"][0], trace["y"][0]) for trace in paths if trace["mode"] == "markers+text"}


def test_the_slider_moves_every_network_through_its_blocks(open_app):
    rows = summaries.layers(Run.open(REFERENCE))
    app = open_app("Layers", run=REFERENCE)
    assert not app.exception
    assert layers_finding(rows) in unescaped(app).replace("**", "")
    for depth in (0.0, 0.5, 1.0):
        app.select_slider(key="depth").set_value(depth).run()
        assert not app.exception
        assert address(app, "depth") == str(depth)
        at = summaries.blocks_at(rows[rows["base"].isin(with_place(rows["base"]))], depth).set_index("base")
        shown = marks_of(app)
        assert set(shown) == set(at.index)
        for base, (content, fine) in shown.items():
            assert (content, fine) == (100 * at.loc[base, "content"], 100 * at.loc[base, "fine"])


def test_networks_with_other_seeds_are_in_the_table_alone(open_app):
    app = open_app("Layers", run=REFERENCE, show_best="True")
    (table,) = [t.value for t in app.dataframe if "block" in t.value and "task" in t.value]
    drawn = {trace["name"] for figure in figures(app) for trace in figure["data"] if trace.get("name")}
    assert "zoo/mae@seed=1" in set(table["model"])
    assert "zoo/mae" in drawn
    assert not any("@seed=" in name for name in drawn)
    others = table["model"].nunique() - len(with_place(table["model"]))
    assert f"these networks with other seeds, too ({others})" in texts(app)


def test_the_page_tells_why_its_scores_are_not_those_of_overview(open_app):
    run = Run.open(REFERENCE)
    learned, every = summaries.images_of_blocks(run)
    notes = run.table("tables/layers.parquet")["note"]
    assert notes.str.contains(f"learned from {learned} images").any()
    assert every == (run.images["split"] == "train").sum() > learned
    assert f"learn from {learned} of the {every} training images" in texts(open_app("Layers", run=REFERENCE))


def test_a_run_without_layers_says_so_and_invented_ones_are_shown(open_app, made_run, tmp_path):
    assert "Models that are no networks have no layers." in texts(open_app("Layers"))
    assert summaries.images_of_blocks(Run.open(made_run))[0] == 0
    studied = add_studies(shutil.copytree(made_run, tmp_path / "studied"))
    app = open_app("Layers", run=studied, show_best="True", depth="nonsense")
    assert not app.exception
    assert any("block" in table.value for table in app.dataframe)
