"""The page Confusion without a browser."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd

from dashboard.views.two_classes import key_of
from probing_core.results import Run, summaries
from probing_core.run.store import Store
from tests.dashboard.app_reading import address, label, texts, unescaped


def test_confusion_counts_the_pictures_of_a_cell(open_app, made_run):
    predictions = Run.open(made_run).predictions("zoo/mae", "fine")
    wanted = ((predictions["truth"] == "fog") & (predictions["predicted"] == "rain")).sum()
    app = open_app("Confusion", cell="fog>rain", other="baseline/pixels", cells="none")
    assert f"in **{wanted} of 16** samples" in texts(app)
    assert address(app, "cell") == "fog>rain"
    label(app, "selectbox", "Truth").select("jpeg").run()
    assert address(app, "cell") == "jpeg>rain"
    label(app, "button", "Which model is best at distinguishing jpeg from rain?").click().run()
    assert (address(app, "tell"), address(app, "from")) == ("jpeg", "rain")


def test_a_cell_of_a_difference_shows_what_either_model_puts_there(open_app, made_run):
    run = Run.open(made_run)
    mine, theirs = (run.predictions(m, "fine").set_index("sample") for m in ("zoo/mae", "baseline/pixels"))
    counts = theirs[~theirs["correct"]].groupby(["truth", "predicted"]).size().sort_values(ascending=False)
    predicted_cells = set(zip(mine["truth"], mine["predicted"], strict=True))
    truth, predicted = next(cell for cell in counts.index if cell not in predicted_cells)
    app = open_app("Confusion", cell=f"{truth}>{predicted}", model="zoo/mae", other="baseline/pixels")
    assert f"by zoo/mae in **0 of 16** samples, by baseline/pixels in **{counts[truth, predicted]}**" in unescaped(app)
    assert "No sample is in this cell" not in texts(app)


def test_a_model_without_predictions_takes_no_part_in_a_difference(open_app, made_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(made_run, copy)
    store = Store(copy)
    with store.locked():
        store.remove("models/baseline-pixels/predictions/fine.parquet")
    app = open_app("Confusion", run=copy, other="baseline/pixels")
    assert not app.exception
    assert "has no predictions for the task fine yet" in texts(app)


def test_two_classes_rank_the_models_and_show_what_they_get_wrong(open_app, made_run):
    predictions = Run.open(made_run).predictions("zoo/mae", "fine")
    app = open_app("Confusion", compare="two classes")
    pair = label(app, "selectbox", "Distinguish").value, label(app, "selectbox", "from").value
    mistakes = predictions[~predictions["correct"]].groupby(["truth", "predicted"]).size()
    assert mistakes[pair] == mistakes.max()
    app = open_app("Confusion", compare="two classes", tell="jpeg", from_="pixelate")
    assert (label(app, "selectbox", "Distinguish").value, label(app, "selectbox", "from").value) == ("jpeg", "pixelate")
    table = next(t.value for t in app.dataframe if "first_as_second" in t.value)
    assert table["value"].is_monotonic_decreasing
    assert set(table["model"]) == set(Run.open(made_run).models["name"])
    assert "Bars are 95 % intervals, of one model each." in texts(app)
    best = table["model"].iloc[0]
    assert f"**{best}** is best at distinguishing jpeg from pixelate" in texts(app)
    for model in (best, "baseline/pixels"):
        label(app, "selectbox", "Model").select(model).run()
        predictions = Run.open(made_run).predictions(model, "fine")
        both = predictions[predictions["truth"].isin(("jpeg", "pixelate"))]
        assert f"{model} gets **{(~both['correct']).sum()} of {len(both)}** wrong" in texts(app)
    label(app, "selectbox", "Distinguish").select("fog").run()
    assert (
        label(app, "selectbox", "Model").value
        == next(t.value for t in app.dataframe if "first" in t.value).iloc[0]["model"]
    )
    assert "from" in app.query_params


def test_the_key_of_two_classes_names_what_the_chart_has():
    models = ["baseline/pixels", "zoo/mae", "zoo/clip"]
    board = pd.DataFrame({"model": models, "seed_of": "", "p": [np.nan, 0.06, 0.01]})
    words = key_of(board)
    assert "Hollow: not distinguished from the best" in words
    assert "over all 3 pairs" in words
    assert "Gray squares" in words
    assert "Ticks" not in words
    apart = key_of(board.assign(model=["a", "b", "b@seed=1"], p=[np.nan, 0.01, np.nan], seed_of=["", "", "b"]))
    assert ("Hollow" in apart, "Gray" in apart, "Ticks" in apart) == (False, False, True)


def test_the_most_frequent_mistakes_are_a_sentence(open_app, made_run):
    predictions = Run.open(made_run).predictions("zoo/mae", "fine")
    wrong = summaries.confusions(predictions, 3)
    app = open_app("Confusion", model="zoo/mae")
    words = ", ".join(
        f"**{row.truth}** for **{row.predicted}** ({100 * row.share:.0f} %)" for row in wrong.itertuples()
    )
    untouched = predictions[predictions["truth"] == "identity"]
    known = f"It names {100 * untouched['correct'].mean():.0f} % of the untouched pictures"
    assert f"What **zoo/mae** mistakes most often: {words}. {known}" in unescaped(app)
    assert "mistakes most often" not in texts(open_app("Confusion", model="zoo/mae", other="baseline/pixels"))
