"""The page Transformations without a browser."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from dashboard.data.previews import STEPS, WEAKER
from dashboard.widgets import links, upload
from lab.devtools.run_edits import put
from probing_core.images import encode_png
from probing_core.measures.notation import model_title, transform_title
from probing_core.results import Run
from probing_core.results.by_strength import median_recall, median_thresholds, most_sensitive_first
from probing_core.run.run_files import RunFiles
from tests.dashboard.app_reading import address, figures, label, unescaped
from tests.dashboard.conftest import PAGES, REFERENCE

SLIDER = "probing_strength"


def slider_of(app) -> dict:
    return next(json.loads(c.proto.json) for c in app.get("bidi_component") if c.proto.component_name == SLIDER)


def sentences(app) -> list[str]:
    """Return the texts of the page, without Markdown and unbreakable spaces."""
    lines = [str(each.value) for each in app.get("markdown")]
    return [line.replace("\\", "").replace("**", "").replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def starting(app, words: str) -> str:
    (found,) = [line for line in sentences(app) if line.startswith(words)]
    return found


def test_upload_is_decoded_once_and_dropped_with_its_page(open_app, monkeypatch):
    decoded = []
    inspect = upload.inspect
    monkeypatch.setattr(upload, "inspect", lambda content, name: decoded.append(name) or inspect(content, name))
    app = open_app("Transformations")
    image = np.full((300, 200, 3), 90, np.uint8)
    app.file_uploader(key="picture-upload").upload("mine.png", encode_png(image), "image/png").run()
    app.run()
    assert decoded == ["mine.png"]
    app.switch_page(PAGES["Models"]).run()
    assert "_decoded" not in app.session_state
    monkeypatch.setattr(upload, "MAX_CACHED_BYTES", image.nbytes - 1)
    app.switch_page(PAGES["Transformations"]).run()
    app.file_uploader(key="picture-upload").upload("mine.png", encode_png(image), "image/png").run()
    app.run()
    assert decoded == ["mine.png"] * 3, "what is too large to be cached is decoded at every run"


def test_gallery_names_the_hardest_transformation_with_its_recall(open_app):
    recall = median_recall(Run.open(REFERENCE).scores).drop("identity")
    app = open_app("Transformations", run=REFERENCE)
    assert f"{100 * recall.min():.0f}" in starting(app, f"{transform_title(recall.idxmin())} is the hardest")


def test_slider_writes_strengths_along_its_scale(open_app):
    slider = slider_of(open_app("Transformations", run=REFERENCE, transform="gaussian-noise"))
    places = [tick["at"] for tick in slider["ticks"]]
    assert (places[0], places[-1]) == (0, 1)
    last = len(slider["labels"]) - 1
    for tick in slider["ticks"]:
        label_number = re.search(r"[\d.]+", slider["labels"][round(tick["at"] * last)])[0]
        assert float(tick["text"].rstrip("%")) == pytest.approx(float(label_number), abs=0.5)


def test_median_thresholds_count_undetected_transformations_as_the_strongest():
    rows = pd.DataFrame({
        "model": ["a", "b", "c"] * 3,
        "transform": ["blur"] * 3 + ["jpeg"] * 3 + ["fog"] * 3,
        "threshold": [1.0, 3.0, 9.0, 80.0, 60.0, 40.0, 1.0, 2.0, 2.0],
        "censored": ["", "", "above", "", "", "", "", "above", "above"],
    })  # fmt: skip
    medians = median_thresholds(rows, {"jpeg"})
    assert (medians["blur"], medians["jpeg"]) == (3, 60)
    assert np.isnan(medians["fog"])


def test_gallery_opens_a_transformation_and_leads_back(open_app):
    app = open_app("Transformations")
    app.button(key="open-sepia").click().run()
    assert not app.exception
    assert address(app, "transform") == "sepia"
    assert label(app, "selectbox", "Transformation").value == "sepia"
    assert slider_of(app)["index"] == len(WEAKER) + STEPS // 2
    label(app, "selectbox", "Transformation").set_value("").run()
    assert "transform" not in app.query_params
    assert app.button(key="open-sepia")


def test_transformation_address_opens_it(open_app):
    query = links.transformation_address("fog").partition("?")[2]
    name, _, value = query.partition("=")
    app = open_app("Transformations", **{name: value})
    assert label(app, "selectbox", "Transformation").value == "fog"


def test_other_pages_do_not_open_a_transformation_that_nobody_selected(open_app):
    app = open_app("Retrieval", part="search")
    first = label(app, "selectbox", "Transformation")
    app.switch_page(PAGES["Transformations"]).run()
    assert label(app, "selectbox", "Transformation").value == ""
    app.switch_page(PAGES["Retrieval"]).run()
    assert label(app, "selectbox", "Transformation").value == first.value


@pytest.mark.parametrize("transform", ["gaussian-blur", "jpeg", "desaturate"])
def test_headline_and_chart_state_the_threshold_of_the_selected_model(open_app, transform):
    rows = Run.open(REFERENCE).table("tables/thresholds.parquet")
    mine = rows[(rows["transform"] == transform) & (rows["model"] == "zoo/clip")].iloc[0]
    percent = 100 if transform == "desaturate" else 1
    app = open_app("Transformations", run=REFERENCE, transform=transform, model="zoo/clip")
    words = starting(app, f"{model_title('zoo/clip')} detects {transform_title(transform)}")
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", words)]
    expected = percent * mine[["threshold", "low", "high"]].to_numpy(float)
    assert any(np.isclose(number, expected[0], rtol=0.02) for number in numbers)
    for end in expected[1:]:
        assert any(np.isclose(number, end, rtol=0.02) for number in numbers)
    chart = next(figure for figure in figures(app) if figure["data"][0].get("error_x"))
    order = most_sensitive_first(rows, transform, transform == "jpeg")
    labels = chart["layout"]["yaxis"]["ticktext"][::-1]
    assert len(labels) == len(order)
    for text, model in zip(labels, order["model"], strict=True):
        assert model_title(model) in text


def test_headline_says_that_a_model_does_not_detect_it(open_app):
    app = open_app("Transformations", run=REFERENCE, transform="rotate", model="zoo/clip")
    assert starting(app, f"{model_title('zoo/clip')} does not detect Rotate")
    assert slider_of(app)["mark"] is None


def test_chart_of_predictions_counts_the_samples_of_the_test_split(open_app):
    rows = Run.open(REFERENCE).predictions("zoo/clip", "fine")
    mine = rows[rows["truth"] == "swirl"]
    app = open_app("Transformations", run=REFERENCE, transform="swirl", model="zoo/clip")
    assert f"for {len(mine)} samples of Swirl" in unescaped(app)
    bars = next(figure["data"][0] for figure in figures(app) if figure["data"][0]["type"] == "bar")
    assert sum(bars["x"]) == pytest.approx(100)
    assert bars["x"][0] == pytest.approx(100 * (mine["predicted"] == "swirl").mean())
    assert bars["x"][1] == pytest.approx(
        100 * mine["predicted"].astype(str).value_counts(normalize=True).drop("swirl").iloc[0]
    )


def test_table_holds_every_model_with_threshold_and_accuracy(open_app):
    run = Run.open(REFERENCE)
    thresholds, strength = (run.table(f"tables/{name}.parquet") for name in ("thresholds", "strength"))
    app = open_app("Transformations", run=REFERENCE, transform="gaussian-noise")
    table = app.dataframe[0].value.set_index("model")
    names = most_sensitive_first(thresholds, "gaussian-noise", False)["model"]
    assert set(table.index) == set(map(model_title, names))
    for model in ("zoo/clip", "baseline/handcrafted"):
        mine = thresholds[(thresholds["model"] == model) & (thresholds["transform"] == "gaussian-noise")].iloc[0]
        title = model_title(model)
        assert table.loc[title, "threshold"] == pytest.approx(100 * mine["threshold"])
        curve = strength[(strength["model"] == model) & (strength["transform"] == "gaussian-noise")]
        measured = table.loc[title, [column for column in table if column.startswith("at ")]]
        np.testing.assert_allclose(measured.to_numpy(float), 100 * curve.sort_values("strength")["hit_rate"])


def test_transformation_opens_without_a_run(open_app):
    app = open_app("Transformations", run=None, transform="fog")
    assert not app.exception
    assert slider_of(app)["labels"]


def test_strength_of_the_address_is_selected(open_app):
    assert "strength" not in open_app("Transformations", transform="fog").query_params, "nobody has selected it"
    app = open_app("Transformations", transform="fog", strength="3")
    assert slider_of(app)["index"] == len(WEAKER) + 3
    assert address(app, "strength") == "3"


@pytest.mark.parametrize("has_scores", [False, True])
def test_transformation_opens_in_a_run_that_has_no_results_yet(open_app, made_run, tmp_path, has_scores):
    store, whole = RunFiles(tmp_path / "bare"), RunFiles(made_run)
    put(store, {"run.toml": whole.read_toml("run.toml")})
    for name in whole.names() if has_scores else []:
        if name in ("images.parquet", "samples.parquet", "tables/scores.parquet") or name.endswith("model.toml"):
            put(store, {name: whole.read_bytes(name)})
    app = open_app("Transformations", run=store.root, transform="fog")
    assert not app.exception
    assert not app.error
    assert slider_of(app)["labels"]


def test_two_models_are_shown_side_by_side_and_a_disagreement_is_explained(open_app):
    run = Run.open(REFERENCE)
    thresholds = run.table("tables/thresholds.parquet").query("transform == 'jpeg'").set_index("model")["threshold"]
    curve = run.table("tables/strength.parquet").query("transform == 'jpeg'").groupby("model")["hit_rate"].mean()
    a, b = "zoo/mae", "zoo/align"
    assert thresholds[a] > thresholds[b], "JPEG quality: MAE detects weaker compression"
    assert curve[a] < curve[b]
    app = open_app("Transformations", run=REFERENCE, transform="jpeg", model=a, other=b)
    assert not app.exception
    assert "ALIGN (zoo)** has the higher accuracy" in unescaped(app)
    assert all(f"Predictions of {model_title(name)}" in unescaped(app) for name in (a, b))
    same = open_app("Transformations", run=REFERENCE, transform="jpeg", model=a, other="timm:tf_efficientnet_lite0")
    assert "has the higher accuracy" not in unescaped(same)
