"""The page Retrieval without a browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from dashboard.data import neighbors, predictions
from dashboard.data.previews import versions
from dashboard.text import named
from dashboard.widgets import asking
from lab.devtools.made_run import MODELS, make_run
from lab.devtools.run_edits import omit, put
from probing_core import load_embedder
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run, retrieval
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from probing_core.transforms import prepare_source, resolve
from tests.dashboard.app_reading import figures, heat_map_cells, label, texts
from tests.dashboard.conftest import REFERENCE


@pytest.mark.parametrize(("part", "rate"), [("found", None), ("duplicates", 0.005)])
def test_heat_map_has_a_cell_for_each_edit_and_model_and_the_page_follows_the_edit(open_app, studied_run, part, rate):
    run = Run.open(studied_run)
    groups = ",".join([*run.transforms["group"].unique(), "framing"])
    address = {"part": part, "unfolded": groups, "model": "zoo/mae", "unrelated": "0.005"}
    app = open_app("Retrieval", run=studied_run, **address)
    assert not app.exception
    rows = retrieval.recall_by_edit(run, rate)
    cells = heat_map_cells(figures(app)[0])
    for row in rows.to_dict("records"):
        assert cells[row["transform"], row["model"]][0] == pytest.approx(row["value"])
    for _, text, hover in cells.values():
        assert "95% CI" in hover
        assert f"{rows['bases'].iloc[0]} photographs" in hover
        assert ("<b>" in text) == hover.endswith("not significantly below the best")
    group = run.transforms.set_index("transform")["group"].to_dict() | dict.fromkeys(FRAMING_EDITS, "framing")
    means = rows.groupby([rows["transform"].map(group), "model"])["value"].mean()
    for (name, model), mean in means.items():
        assert cells[f"group:{name}", model][0] == pytest.approx(mean)
    for name, of_row in means.groupby(level=0):
        assert "<b>" in cells[f"group:{name}", of_row.idxmax()[1]][1], "the best of each group is marked"
    folded = open_app("Retrieval", run=studied_run, **address | {"unfolded": ""})
    shown = {row for row, _ in heat_map_cells(figures(folded)[0])}
    assert shown == {"all", *(f"group:{name}" for name in means.index.levels[0])}
    chosen = open_app("Retrieval", run=studied_run, **address | {"unfolded": "", "edit": "jpeg"})
    of_edit = rows[rows["transform"] == "jpeg"]
    assert {row for row, _ in heat_map_cells(figures(chosen)[0])} > shown | {"jpeg"}, "its group is unfolded"
    best = of_edit[~of_edit["model"].str.startswith("baseline/")].sort_values("value").iloc[-1]
    finding = next(box.value for box in chosen.markdown if box.value.startswith("The best encoder"))
    assert named("jpeg") in finding
    assert f"{100 * best['value']:.1f}%" in finding
    axis = "y" if rate else "x"
    drawn = {round(x, 6) for trace in figures(chosen)[1]["data"] for x in trace.get(axis, ()) if x is not None}
    assert {round(100 * value, 6) for value in of_edit["value"]} <= drawn, "the second chart is of the edit"


def test_recall_by_rate_chart_follows_the_slider_and_names_the_model(open_app, studied_run):
    app = open_app("Retrieval", run=studied_run, part="duplicates", unrelated="0.005", model="zoo/mae")
    assert not app.exception
    assert app.get("slider") or app.select_slider[0].value == "0.005"
    run = Run.open(studied_run)
    curves = retrieval.recall_by_rate(run)
    curves = curves[curves["model"].isin(with_place(curves["model"]))]
    figure = figures(app)[1]
    lines = {trace["name"]: trace for trace in figure["data"] if "name" in trace}
    assert len(lines) == curves["model"].nunique()
    mine = curves[curves["model"] == "zoo/mae"]
    np.testing.assert_allclose(lines[model_title("zoo/mae")]["x"], mine["rate"])
    np.testing.assert_allclose(lines[model_title("zoo/mae")]["y"], 100 * mine["value"])


@pytest.mark.parametrize("share", ["0.01", "0.001"])
def test_the_table_of_thresholds_follows_the_share(open_app, studied_run, share):
    app = open_app("Retrieval", run=studied_run, part="duplicates", unrelated=share)
    shown = next(t.value for t in app.dataframe if "threshold" in t.value).set_index("model")
    rows = retrieval.recall_by_edit(Run.open(studied_run), float(share))
    expected = rows[rows["transform"] == "all"].set_index("model").loc[shown.index]
    np.testing.assert_allclose(shown["threshold"], expected["threshold"])
    np.testing.assert_allclose(shown["value"], 100 * expected["value"])


@pytest.mark.parametrize("missing", ["retrieval", "duplicates"])
def test_a_missing_table_empties_its_own_tab_alone(open_app, studied_run, tmp_path, missing):
    run = shutil.copytree(studied_run, tmp_path / "lacking")
    omit(RunFiles(run), f"tables/{missing}.parquet")
    found, same = (open_app("Retrieval", run=run, part=part) for part in ("found", "duplicates"))
    assert not found.exception
    assert not same.exception
    shown = {"retrieval": len(figures(found)) == 2, "duplicates": len(figures(same)) == 2}
    assert shown == {name: name != missing for name in shown}
    assert len(found.info) + len(same.info) == 1


def test_no_picture_is_embedded_before_somebody_searches(open_app, monkeypatch):
    monkeypatch.setattr(neighbors, "gallery_steps", lambda *_: pytest.fail("a gallery was embedded"))
    for part in ("found", "duplicates"):
        app = open_app("Retrieval", run=REFERENCE, part=part)
        assert not app.exception
        assert figures(app)


def test_the_shipped_run_searches_its_untouched_photographs(open_app):
    app = open_app("Retrieval", run=REFERENCE, part="search", models="baseline/handcrafted")
    assert not app.exception
    tested = len(retrieval.gallery(Run.open(REFERENCE)))
    assert tested > 300
    assert len(label(app, "selectbox", "Photograph from the run").options) == tested
    assert f"Gallery: {tested} clean test crops" in texts(app)
    assert re.search(rf"Rank of the original: [\d,]+ of {tested:,}", texts(app))


def test_an_altered_photograph_is_searched_among_the_untouched_ones(open_app, studied_run):
    """The made run has invented embeddings: wherever the original is, its place is named, and pictures are shown."""
    app = open_app("Retrieval", run=studied_run, part="search", models="baseline/pixels", transform="jpeg")
    assert not app.exception
    assert not app.error
    run = Run.open(studied_run)
    rank = int(re.search(rf"Rank of the original: ([\d,]+) of {len(retrieval.gallery(run)):,}", texts(app))[1])
    (figure,) = figures(app)
    (line,) = figure["data"]
    assert rank in line["y"]
    assert 1 <= min(line["y"]) <= max(line["y"]) <= len(retrieval.gallery(run))
    field = label(app, "selectbox", "Photograph from the run")
    assert field.value in set(run.images["image_id"])
    assert len(set(field.options)) == len(field.options), "each has a name of its own"


def test_an_original_that_is_not_among_the_nearest_is_shown_after_them_with_its_place(open_app):
    address = {"models": "baseline/handcrafted", "transform": "pencil-sketch", "strength": "12"}
    app = open_app("Retrieval", run=REFERENCE, part="search", **address)
    place = int(re.search(r"Rank of the original: ([\d,]+)", texts(app))[1].replace(",", ""))
    assert place > 5
    captions = [image.caption for image in app.get("image")[-1].proto.imgs]
    assert len(captions) == 6
    assert captions[-1].startswith(f"original, rank {place:,}:")


def test_a_search_begins_with_the_encoders_that_find_originals_most_often(open_app, monkeypatch):
    monkeypatch.setattr(asking, "each", lambda models, search: {})
    photograph = str(Run.open(REFERENCE).images.query("split == 'test'")["image_id"].iloc[0])
    app = open_app("Retrieval", run=REFERENCE, part="search", photograph=photograph)
    ranked = list(dict.fromkeys(retrieval.originals(Run.open(REFERENCE))["model"]))
    best, *others = [m for m in ranked if not m.startswith("baseline/")]
    second = next(m for m in others if "@" not in m)
    assert label(app, "multiselect", "Models").value == [best, second], "of two networks"
    chosen = open_app("Retrieval", run=REFERENCE, part="search", model="zoo/mae", photograph=photograph)
    assert label(chosen, "multiselect", "Models").value == ["zoo/mae", best], "after the model of another page"


def test_telling_example_is_the_image_on_which_two_models_differ_most(monkeypatch):
    run, models, transform = Run.open(REFERENCE), ("baseline/pixels", "baseline/phash"), resolve("rotate")
    samples = retrieval.gallery(run)
    ids = tuple(run.sample_columns("image_id")["image_id"].iloc[samples[:6]])
    monkeypatch.setattr(predictions.st, "session_state", {})
    first = neighbors.telling_example(run, models, transform.name, ids)
    ratio = {}
    for one in ids:
        source = prepare_source(run.pictures.source(one), run.recipe.view)
        before, after = versions(source, run.recipe.view, transform, transform.strength_at(0.5))
        places = [neighbors.ranks(run, before, [after], model, one)[0] for model in models]
        ratio[one] = max(places) / min(places)
    assert ratio[first] == max(ratio.values()) > 1


PIXELS = "baseline/pixels"


@pytest.fixture(scope="module")
def stored_and_bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A made run with true embeddings of its untouched views by a baseline, and the same without any."""
    folder = tmp_path_factory.mktemp("true")
    stored = make_run(folder / "stored", views=6, models={PIXELS: MODELS[PIXELS]})
    run, store = Run.open(stored), RunFiles(stored)
    (path,) = store.names(layout.embeddings_folder(PIXELS))
    embeddings, clean = run.embeddings(PIXELS), retrieval.clean_samples(run)
    embeddings[clean] = load_embedder(PIXELS).embed([run.picture(int(sample))[1] for sample in clean])
    put(store, {path: {"embeddings": embeddings}})
    bare = shutil.copytree(stored, folder / "bare")
    omit(RunFiles(bare), path)
    return stored, bare


def test_a_gallery_that_is_embedded_here_has_the_neighbors_of_stored_embeddings(stored_and_bare, monkeypatch):
    monkeypatch.setattr(neighbors, "EMBEDDED_AT_ONCE", 4)
    stored, bare = map(Run.open, stored_and_bare)
    assert stored.has_embeddings(PIXELS)
    assert not bare.has_embeddings(PIXELS)
    assert neighbors.searchable(bare, [PIXELS]) == [PIXELS]
    samples = retrieval.gallery(bare)
    assert len(samples) >= 10
    assert set(bare.sample_rows(samples)["split"]) == {"test"}
    for position, sample in enumerate(samples):
        view = bare.picture(int(sample))[1]
        image_id = bare.sample_rows(samples)["image_id"].iloc[position]
        asked = view, view, PIXELS, image_id, len(samples)
        expected, found = (neighbors.search_gallery(run, *asked) for run in (stored, bare))
        assert (found.rows[0], found.place) == (position, 1)
        assert found.cosines[0] == pytest.approx(1)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.cosines, expected.cosines, rtol=1e-5)


def test_a_gallery_is_embedded_once(stored_and_bare, monkeypatch):
    run = Run.open(stored_and_bare[1])
    made = neighbors.Gallery(run, retrieval.gallery(run))
    first = made.rows(PIXELS)[:]
    monkeypatch.setattr(Run, "picture", lambda *_: pytest.fail("a picture was cut again"))
    monkeypatch.setattr(predictions, "predictor_of", lambda _: pytest.fail("a model was asked again"))
    np.testing.assert_array_equal(made.rows(PIXELS)[:], first)
