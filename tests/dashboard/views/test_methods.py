"""The page Methods without a browser."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pyarrow as pa
import pytest

from dashboard.data import cache
from probing_core.api.trust import noticed
from probing_core.measures.notation import model_title
from probing_core.results import Run, leaderboard
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.data import default_models
from probing_core.run import layout
from probing_core.run.store import Store
from tests.api.test_trust import made
from tests.dashboard.app_reading import label, texts
from tests.dashboard.conftest import REFERENCE

OPEN = {
    f"show-{part}": "True"
    for part in ("recipe", "rules", "words", "measures", "models", "photographs", "checks", "tables")
}


def test_the_parts_of_the_page_open_one_by_one(open_app, made_run, tmp_path):
    run = Run.open(REFERENCE)
    app = open_app("Methods", run=REFERENCE)
    assert not app.dataframe
    assert len(open_app("Methods", run=REFERENCE, show_recipe="True").dataframe) == 1
    assert f"Models: {len(run.models)}" in [e.label for e in app.expander]
    some = tmp_path / "made"
    shutil.copytree(made_run, some)
    store = Store(some)
    images = store.read_table(layout.IMAGES)
    images.loc[images.index[:3], ["used", "why_not"]] = False, "smaller than 176 pixels"
    store.write_table(layout.IMAGES, images, "changed")
    run = Run.open(some)
    app = open_app("Methods", run=some, show_photographs="True")
    counts = next(t.value for t in app.dataframe if "why_not" in t.value).set_index("why_not")["images"]
    left_out = run.images.loc[~run.images["used"], "why_not"]
    assert counts.to_dict() == left_out.value_counts().to_dict()
    assert f"{len(left_out):,} images are left out" in texts(app)


def test_it_begins_with_the_way_from_a_photograph_to_a_score(open_app):
    run = Run.open(REFERENCE)
    app = open_app("Methods", run=REFERENCE)
    assert [len(image.proto.imgs) for image in app.get("image")] == [1, 3]
    best = leaderboard(run, "fine", "seen", baselines=False).iloc[0]
    shown = texts(app).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")
    assert f"{model_title(best['model'])} turns each picture into {best['dim']:,} numbers" in shown
    assert f"Right in {100 * best['value']:.1f}% of all" in shown
    counts = run.images.query("used").groupby("split")["base_id"].nunique()
    assert f"{counts.sum():,} photographs" in shown
    assert f"learn from {counts['train']:,} of them and are scored on {counts['test']:,} others" in shown
    assert not app.code, "the command is folded away"


def test_counts_of_photographs_images_and_samples_are_reconciled_in_a_sentence(open_app):
    run = Run.open(REFERENCE)
    words = texts(open_app("Methods", run=REFERENCE, show_photographs="True")).replace("\\", "")
    found = re.search(
        r"([\d,]+) crops of ([\d,]+) photographs .* two clean samples and one sample per transformation \((\d+)\), "
        r"in (\d+) repetitions, and each test crop one per unseen style \((\d+)\): ([\d,]+) samples\. "
        r"Explore shows the samples of the ([\d,]+) test crops",
        words,
    )
    assert found, words
    images, photographs, learned, times, far, samples, tested = (int(n.replace(",", "")) for n in found.groups())
    assert photographs == run.images["base_id"].nunique()
    assert samples == run.sample_count == images * (2 + learned) * times + tested * far
    data = explorer_data(run, default_models(run, 2))
    assert (len(data.images), data.tested) == (tested, tested * (1 + learned) * len(data.repetitions))


def test_what_was_recorded_of_a_model_is_a_table(open_app):
    run = Run.open(REFERENCE)
    address = {"show_models": "True", "show_recipes": "True", "recorded_of": "zoo/clip"}
    app = open_app("Methods", run=REFERENCE, **address)
    assert not app.exception
    (table,) = (t.value for t in app.dataframe if list(t.value) == ["entry", "value"])
    recipe = run.models.set_index("name").loc["zoo/clip", "recipe"]
    entries = dict(zip(table["entry"], table["value"], strict=True))
    assert entries["weights"] == recipe["weights"]
    assert entries["preprocessing, crop"] == str(recipe["preprocessing"]["crop"])
    assert not table["value"].str.contains("{", regex=False).any()


def test_how_far_to_trust_the_answers_is_what_the_tables_say(open_app, made_run, tmp_path, monkeypatch):
    rows = made()
    monkeypatch.setattr(cache, "held_out", lambda run, models: rows)
    monkeypatch.setattr(cache, "elsewhere", lambda run: rows[rows["group"] != "tone"].assign(altered=0.4))
    cache.trust.clear()
    app = open_app("Methods", run=made_run, show_trust="True")
    cache.trust.clear()
    assert not app.exception
    table = next(t.value for t in app.dataframe if "kept" in t.value)
    assert table["pictures"].tolist() == [cache.HELD_OUT, cache.OTHERS]
    first = noticed(rows)
    assert table.loc[0, ["kept", "found", "error"]].tolist() == [
        100 * share for share in (first.kept, first.found, first.error)
    ]
    assert table.loc[1, ["kept", "found"]].tolist() == pytest.approx([100, 0])
    assert len(app.get("plotly_chart")) == 1
    assert label(app, "selectbox", "Reliability of").options == list(map(model_title, dict.fromkeys(table["model"])))
    assert f"one of {len(Run.open(made_run).classes('fine'))} equally likely classes" in texts(app)


def test_models_have_names_for_people_and_exact_ones_to_download(open_app):
    table = open_app("Methods", run=REFERENCE, show_models="True").dataframe[0]
    shown = pa.ipc.open_stream(table.proto.arrow_data.styler.display_values).read_pandas()
    assert "zoo/supervised" in set(table.value["name"])
    assert "Supervised (zoo)" in set(shown["name"])


def test_photographs_are_counted_by_license(open_app):
    images = Run.open(REFERENCE).images.query("used")
    table = open_app("Methods", run=REFERENCE, show_photographs="True").dataframe[0].value
    for license, photographs, count in table.itertuples(index=False):
        mine = images[images["license"] == license]
        assert (photographs, count) == (mine["base_id"].nunique(), len(mine))
    assert table["images"].sum() == len(images)


def test_a_run_without_answers_says_so(open_app, made_run):
    app = open_app("Methods", run=made_run, show_trust="True")
    assert not app.exception
    assert "no answers about pictures that it tested" in texts(app)


def test_methods_exports(open_app):
    app = open_app("Methods", **OPEN)
    label(app, "selectbox", "Show a table").select("tables/fits.parquet").run()
    assert not app.exception


def test_of_a_table_the_first_rows_are_shown(open_app, made_run):
    app = open_app("Methods", **OPEN)
    label(app, "selectbox", "Show a table").select("samples.parquet").run()
    assert not app.exception
    run = Run.open(made_run)
    shown = next(d.value for d in app.dataframe if "image_id" in d.value and "ssim" in d.value)
    pd.testing.assert_frame_equal(shown, run.samples[:200], check_dtype=False)
    assert f"200 of {run.sample_count:,} rows shown" in texts(app)
