"""The page Methods without a browser."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pytest

from dashboard.data import cache
from dashboard.text import GLOSSARY, TERMS
from lab.devtools.run_edits import put
from probing_core.answers.answer_quality import quality
from probing_core.measures.notation import model_title
from probing_core.results import Run, leaderboard
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.data import default_models
from probing_core.results.ranking import rows_of_probes
from probing_core.results.sentences import about_probe_rows
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from probing_core.transforms import bank
from tests.api.test_model_answers import made
from tests.dashboard.app_reading import figures, label, texts
from tests.dashboard.conftest import REFERENCE

FOLDS = ("rules", "calibration", "training", "models", "photographs", "glossary", "recipe", "tables")
OPENED = {f"show-{name}": "True" for name in FOLDS}
"""Address that opens all folded sections."""


@pytest.fixture
def reference(open_app):
    app = open_app("Methods", run=REFERENCE, **OPENED)
    assert not app.exception
    return app


def shown(app) -> str:
    return texts(app).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def test_table_of_contents_links_to_every_section(reference):
    (contents,) = [m.value for m in reference.markdown if "](#" in m.value]
    links = dict(re.findall(r"\[([^]]*)\]\(#([^)]*)\)", contents))
    assert links == {header.value: header.proto.anchor for header in reference.header}
    assert len(reference.expander) == len(FOLDS)


def test_section_on_intervals_names_the_source_of_intervals_of_differences(reference):
    assert "Tango" in shown(reference)
    assert "adjusted p-value is at most 0.05" in shown(reference)


def test_licenses_come_first_and_details_are_folded(open_app):
    app = open_app("Methods", run=REFERENCE)
    assert app.header[0].value == "Licenses"
    assert "research use" in shown(app)
    assert [table.value.columns.tolist() for table in app.dataframe] == [["license", "photographs", "crops"]]


def test_probes_chart_has_each_kind_of_probe_for_each_model(reference):
    scores = Run.open(REFERENCE).probe_scores.query("task == 'fine' and subset == 'seen'")
    scores = scores[scores["measure"] == "balanced-accuracy"].set_index(["probe", "model"])["value"]
    chart = figures(reference)[1]
    drawn = {trace["name"]: dict(zip(trace["customdata"], trace["x"], strict=True)) for trace in chart["data"][1:4]}
    for name, probe in (("linear", "linear"), ("MLP", "mlp"), ("k-NN (20)", "knn-20")):
        assert drawn[name][model_title("zoo/clip")] == pytest.approx(100 * scores[probe, "zoo/clip"])
    titles = {"linear": "linear", "mlp": "MLP", "knn-20": "k-NN (20)"}
    assert about_probe_rows(rows_of_probes(Run.open(REFERENCE)), titles) in shown(reference).replace("\\", "")


def test_protocol_shows_the_best_model_with_its_accuracy(reference):
    run = Run.open(REFERENCE)
    assert shown(reference).count("](data:image/jpeg;base64,") == 4
    best = leaderboard(run, "fine", "seen", baselines=False).iloc[0]
    assert f"{model_title(best['model'])} computes an embedding of {best['dim']:,} dimensions" in shown(reference)
    assert f"{100 * best['value']:.1f}%" in shown(reference)


def test_splits_chart_counts_photographs_and_crops(reference):
    used = Run.open(REFERENCE).images.query("used")
    chart = figures(reference)[0]["data"][0]
    splits = [label.split(":")[0] for label in chart["y"]]
    assert splits == ["train", "val", "test"]
    photographs, crops = (used.groupby("split")[column].nunique() for column in ("base_id", "image_id"))
    assert list(chart["x"]) == [photographs[split] for split in splits]
    written = [f"{photographs[s]:,} photographs, {crops[s]:,} crops" for s in splits]
    assert [label.split("<br>")[1] for label in chart["y"]] == written


def test_folds_hold_out_each_transformation_once(reference):
    table = reference.table[0].value
    held_out = [name for name in table.to_numpy().ravel() if name]
    expected = [t for t in bank() if t.unseen_in is not None]
    assert len(held_out) == len(set(held_out)) == len(expected)
    assert list(table.index) == list(dict.fromkeys(t.group for t in expected))


def test_counts_of_photographs_crops_and_samples_are_reconciled_in_a_sentence(reference):
    run = Run.open(REFERENCE)
    found = re.search(
        r"([\d,]+) crops of ([\d,]+) photographs .* two clean samples and one sample per transformation \((\d+)\), "
        r"in (\d+) repetitions, and each test crop has one sample per unseen style \((\d+)\): "
        r"([\d,]+) samples in total\. "
        r"The Explore page shows the samples of the ([\d,]+) test crops",
        shown(reference),
    )
    assert found, shown(reference)
    crops, photographs, learned, times, far, samples, tested = (int(n.replace(",", "")) for n in found.groups())
    assert photographs == run.images["base_id"].nunique()
    assert samples == run.sample_count == crops * (2 + learned) * times + tested * far
    data = explorer_data(run, default_models(run, 2))
    assert (len(data.crops), data.tested) == (tested, tested * (1 + learned) * len(set(data.repetition)))


def test_what_was_recorded_of_a_model_is_a_table(open_app):
    run = Run.open(REFERENCE)
    app = open_app("Methods", run=REFERENCE, recorded_of="zoo/clip", **OPENED)
    assert not app.exception
    recorded = [t.value for t in app.dataframe if list(t.value) == ["entry", "value"]]
    recipe = run.models.set_index("name").loc["zoo/clip", "recipe"]
    (entries,) = [
        found for table in recorded if "weights" in (found := dict(zip(table["entry"], table["value"], strict=True)))
    ]
    assert entries["weights"] == recipe["weights"]
    assert entries["preprocessing, crop"] == str(recipe["preprocessing"]["crop"])


def test_calibration_is_what_the_tables_say(open_app, made_run, monkeypatch):
    rows = made()
    monkeypatch.setattr(cache, "held_out", lambda run, models: rows)
    monkeypatch.setattr(cache, "outside", lambda run: rows[rows["group"] != "tone"].assign(altered=0.4))
    cache.trust.clear()
    app = open_app("Methods", run=made_run, **OPENED)
    cache.trust.clear()
    assert not app.exception
    table = next(t.value for t in app.dataframe if "kept" in t.value)
    assert table["pictures"].tolist() == [cache.HELD_OUT, cache.OTHERS]
    first = quality(rows)
    assert table.loc[0, ["kept", "found", "error"]].tolist() == [
        100 * share for share in (first.kept, first.found, first.error)
    ]
    assert table.loc[1, ["kept", "found"]].tolist() == pytest.approx([100, 0])
    assert label(app, "selectbox", "Model in the reliability diagram").options == list(
        map(model_title, dict.fromkeys(table["model"]))
    )


def test_models_have_names_for_people_and_ids_to_download(reference):
    table = next(t for t in reference.dataframe if "exact name" in t.value)
    rows = table.value.set_index("exact name")
    assert rows.loc["zoo/supervised", "name"] == "Supervised (zoo)"


def test_photographs_are_counted_by_license(reference):
    images = Run.open(REFERENCE).images.query("used")
    table = next(t.value for t in reference.dataframe if list(t.value) == ["license", "photographs", "crops"])
    for license, photographs, crops in table.itertuples(index=False):
        mine = images[images["license"] == license]
        assert (photographs, crops) == (mine["base_id"].nunique(), len(mine))
    assert table["crops"].sum() == len(images)


def test_images_that_were_left_out_are_counted_by_reason(open_app, made_run, tmp_path):
    some = tmp_path / "made"
    shutil.copytree(made_run, some)
    store = RunFiles(some)
    images = store.read_table(layout.IMAGES)
    images.loc[images.index[:3], ["used", "why_not"]] = False, "smaller than 176 pixels"
    put(store, {layout.IMAGES: images})
    run = Run.open(some)
    app = open_app("Methods", run=some, **OPENED)
    counts = next(t.value for t in app.dataframe if "why_not" in t.value).set_index("why_not")["crops"]
    assert counts.to_dict() == run.images.loc[~run.images["used"], "why_not"].value_counts().to_dict()


def test_a_run_without_answers_says_so(open_app, made_run):
    app = open_app("Methods", run=made_run, **OPENED)
    assert not app.exception
    assert "no calibrated answers" in texts(app)


def test_table_menu_shows_the_first_rows(open_app, made_run):
    app = open_app("Methods", **OPENED)
    label(app, "selectbox", "Table").select("samples.parquet").run()
    assert not app.exception
    run = Run.open(made_run)
    rows = next(d.value for d in app.dataframe if "image_id" in d.value and "ssim" in d.value)
    pd.testing.assert_frame_equal(rows, run.samples[:200], check_dtype=False)
    assert f"200 of {run.sample_count:,} rows" in texts(app)


def test_glossary_is_short_and_repeats_no_hint():
    assert len(GLOSSARY) <= 15
    assert all(term in GLOSSARY or term in TERMS for term in ("zoo", "strength"))
