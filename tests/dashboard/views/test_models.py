"""The page Models without a browser."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from dashboard.text import named, strength_in_words
from lab.devtools.run_edits import put, with_all_columns
from probing_core.compute.task_names import UNDECIDED
from probing_core.measures.notation import in_percent, in_points, model_title
from probing_core.measures.statistics import SIGNIFICANCE, with_place
from probing_core.results import Run, by_transform, generalization, summaries, tasks, two_models
from probing_core.results.board_entry import QuickProtocol
from probing_core.results.by_strength import median_recall
from probing_core.results.ranking import is_baseline, rows_of_probes
from probing_core.results.sentences import about_probe_rows
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from tests.dashboard.app_reading import figures, heat_map_cells, unescaped
from tests.dashboard.conftest import BOARD, REFERENCE
from tests.results.test_board import made_entry


@pytest.mark.parametrize(("a", "b"), [("zoo/simclr", "zoo/can"), ("zoo/align", "zoo/mae")])
def test_comparison_shows_all_significant_classes_and_folds_the_others(open_app, a, b):
    run = Run.open(REFERENCE)
    app = open_app("Models", run=REFERENCE, part="compare", a=a, b=b)
    assert not app.exception
    shown = unescaped(app)
    gap = two_models.accuracy_difference(run, a, b)
    assert f"{in_points(gap.value)} percentage points" in shown
    rows = two_models.recall_differences(run, a, b)
    significant = rows[rows["p"] < SIGNIFICANCE]
    assert f"{len(significant)} of {len(rows)} differences are significant" in shown
    (figure,) = figures(app)
    drawn = sorted(x for trace in figure["data"] for x in trace["x"])
    assert drawn == pytest.approx(sorted(100 * significant["difference"]))
    assert any(box.label == f"{len(rows) - len(significant)} other classes" for box in app.expander)
    opened = open_app("Models", run=REFERENCE, part="compare", a=a, b=b, show_others="True", show_thresholds="True")
    assert not opened.exception
    assert sum(len(trace["x"]) for figure in figures(opened) for trace in figure["data"]) == len(rows)
    thresholds = next(t.value for t in opened.dataframe if "more sensitive" in t.value)
    assert len(thresholds) == len(run.table("tables/thresholds.parquet")["transform"].unique())


def test_comparison_says_what_training_seeds_say(open_app):
    seeds = two_models.difference_over_seeds(Run.open(REFERENCE), "zoo/simclr", "zoo/can")
    several = unescaped(open_app("Models", run=REFERENCE, part="compare", a="zoo/simclr", b="zoo/can"))
    assert seeds.p < SIGNIFICANCE
    assert f"over training runs: **{in_points(seeds.value)} percentage points**" in several
    single = unescaped(open_app("Models", run=REFERENCE, part="compare", a="zoo/clip", b="zoo/can"))
    assert "trained only once" in single
    assert "over training runs:" not in single


def test_comparison_asks_for_two_different_models(open_app):
    app = open_app("Models", part="compare", a="zoo/mae", b="zoo/mae")
    assert not app.exception
    assert any("two different models" in one.value for one in app.info)


def test_models_ranks_all_models_and_lists_them_in_a_table(open_app):
    app = open_app("Models", run=REFERENCE, show_table="True")
    table = next(t.value for t in app.dataframe if "against" in t.value)
    run = Run.open(REFERENCE)
    assert set(table["model"]) == set(run.models["name"])
    assert table["score"].iloc[0] == table["score"].max()
    assert (table["title"] == table["model"].map(model_title)).all()
    visible = summaries.pick(run.scores, task="fine", subset="visible", measure="balanced-accuracy")
    expected = 100 * visible.set_index("model")["value"].loc[table["model"]]
    assert table["visible"].tolist() == pytest.approx(expected.tolist())
    ranked = figures(app)[0]["layout"]["yaxis"]["categoryarray"]
    assert set(ranked) == set(map(model_title, with_place(run.models["name"])))
    assert ranked[-1] == table["title"].iloc[0], "the best on top"


@pytest.mark.parametrize("probe", ["mlp", "knn-20"])
def test_models_ranks_by_the_selected_probe_and_says_which_probes_share_their_samples(open_app, probe):
    app = open_app("Models", run=REFERENCE, probe=probe)
    assert not app.exception
    run = Run.open(REFERENCE)
    scores = summaries.pick(run.probe_scores, task="fine", subset="seen", measure="balanced-accuracy", probe=probe)
    best = scores.sort_values("value").iloc[-1]
    figure = figures(app)[0]
    assert figure["layout"]["yaxis"]["categoryarray"][-1] == model_title(best["model"])
    drawn = {round(x, 6) for trace in figure["data"] for x in trace["x"] if x is not None}
    assert round(100 * best["value"], 6) in drawn
    titles = {"linear": "Linear", "mlp": "MLP", "knn-5": "k-NN (5)", "knn-20": "k-NN (20)", "knn-50": "k-NN (50)"}
    expected = about_probe_rows(rows_of_probes(run), titles)
    assert any(expected in box.value.replace("\\", "") for box in app.caption)


def test_models_by_group_names_the_hardest_group(open_app):
    app = open_app("Models", run=REFERENCE, part="transformations", cells="group")
    rows = by_transform.recall_by_group(Run.open(REFERENCE))
    encoders = rows[~is_baseline(rows["model"]) & ~rows["model"].str.contains("@")]
    medians = encoders.groupby("group")["value"].median().drop("identity")
    assert any(box.value.startswith(f"**{medians.idxmin().capitalize()}** is") for box in app.markdown)


def test_models_and_transformations_state_one_recall_of_the_hardest_transformation(open_app):
    recall = median_recall(Run.open(REFERENCE).scores).drop("identity")
    for app in (open_app("Models", run=REFERENCE, part="transformations"), open_app("Transformations", run=REFERENCE)):
        (finding,) = [box.value for box in app.markdown if box.value.startswith(f"**{named(recall.idxmin())}** is")]
        assert in_percent(recall.min()) in finding


@pytest.mark.parametrize(
    ("cells", "index", "column"),
    [("recall", "transform", "value"), ("group", "group", "value"), ("threshold", "transform", "relative")],
)
def test_models_by_transformation_has_a_cell_with_interval_and_count_for_each_row_and_model(
    open_app, cells, index, column
):
    app = open_app("Models", run=REFERENCE, part="transformations", cells=cells)
    assert not app.exception
    run = Run.open(REFERENCE)
    compute = {
        "recall": by_transform.recall_by_model,
        "group": by_transform.recall_by_group,
        "threshold": by_transform.thresholds_by_model,
    }
    rows = compute[cells](run)
    rows = rows[rows["model"].isin(with_place(run.models["name"]))]
    drawn = heat_map_cells(figures(app)[0])
    assert set(drawn) == set(zip(rows[index], rows["model"], strict=True))
    for row in rows.to_dict("records"):
        value, text, hover = drawn[row[index], row["model"]]
        assert value == pytest.approx(row[column])
        assert f"{row['bases']} photographs" in hover
        assert "95% CI" in hover or row.get("censored")
        assert ("<b>" in text) == hover.endswith("not significantly below the best")
    detected = rows[rows["censored"] != "above"] if cells == "threshold" else rows
    for name, of_row in detected.groupby(index):
        best = of_row[column].idxmin() if cells == "threshold" else of_row[column].idxmax()
        assert "<b>" in drawn[name, of_row.at[best, "model"]][1], "the best of each row is marked"
    assert not all("<b>" in text for _, text, _ in drawn.values())
    if cells == "threshold":  # the strength has its unit once
        row = detected[(detected["transform"] == "jpeg") & (detected["censored"] == "")].iloc[0]
        assert strength_in_words("jpeg", row["value"]) in drawn["jpeg", row["model"]][2]


def test_the_strip_shows_what_two_models_answer(open_app):
    app = open_app("Models")
    assert len(app.get("image")) == 7
    captions = [one.value.split("  \n") for one in app.caption if one.value.startswith("**")]
    assert {"**Clean**", "**JPEG**"} <= {done for done, *_ in captions}
    assert {said[0] for _, *answers in captions for said in answers} == {"A", "B"}
    right = [":material/check:" in said for _, *answers in captions for said in answers]
    assert len(right) == 14
    assert 0 < sum(right) < 14, "some are right and some are wrong"


def test_appearance_vs_content_draws_both_accuracies_of_each_model(open_app):
    app = open_app("Models", run=REFERENCE, part="content")
    assert not app.exception
    points = summaries.substance(Run.open(REFERENCE)).set_index("model")
    (figure,) = figures(app)
    drawn = {trace["customdata"][0][-1]: (trace["x"][0], trace["y"][0]) for trace in figure["data"]}
    encoders = {model for model in with_place(points.index) if not model.startswith("baseline/")}
    assert encoders <= set(drawn)
    for model, place in drawn.items():
        assert place == pytest.approx((100 * points.at[model, "content"], 100 * points.at[model, "style"]))


def test_tasks_draw_the_models_of_each_and_say_what_is_not_measured(open_app, studied_run, tmp_path):
    run = shutil.copytree(studied_run, tmp_path / "unlabeled")
    store = RunFiles(run)
    put(store, {"tables/uses.parquet": store.read_table("tables/uses.parquet").query("use != 'content'")})
    app = open_app("Models", run=run, part="uses")
    assert not app.exception
    shown = figures(app)
    assert len(shown) == 2
    for task, figure in zip(("duplicates", "altered"), shown, strict=True):
        best = tasks.task_scores(Run.open(run), task).iloc[0]
        assert figure["layout"]["yaxis"]["categoryarray"][-1] == model_title(best["model"])
        assert f"{100 * best['value']:.1f}%" in unescaped(app)
    assert [one.value for one in app.info] == ["This run has no results for this task."]


def test_claims_open_with_the_differences_that_they_rest_on(open_app):
    app = open_app("Models", run=REFERENCE, part="claims")
    badges = [box.label for box in app.expander if "-badge[" in box.label]
    assert len(badges) == 5 * len(Run.open(REFERENCE).table("tables/claims.parquet")["set"].unique())
    name = next(iter(Run.open(REFERENCE).table("tables/claims.parquet")["set"]))
    opened = open_app("Models", run=REFERENCE, part="claims", **{f"show-claim-{name}-2": "True"})
    assert not opened.exception
    assert len(figures(opened)) == len(figures(app)) + 1


def test_claims_without_contrasts_open_with_the_numbers_of_each_kind(open_app, made_run, tmp_path):
    run = shutil.copytree(made_run, tmp_path / "claims")
    store = RunFiles(run)
    empty = dict.fromkeys(("contrasts", "tested", "above", "below"), np.nan)
    claims = [
        {"set": "zoo", "claim": 1, "result": UNDECIDED, "missing": "", "transformations": 30, "identified": 29} | empty,
        {"set": "zoo", "claim": 5, "result": UNDECIDED, "missing": "", "roles": 2, "rho": 0.5, "p": 0.3} | empty,
    ]
    put(store, {layout.CLAIMS: with_all_columns(layout.CLAIMS, pd.DataFrame(claims))})
    roles = pd.DataFrame({"set": "zoo", "role": ["MAE", "CLIP"], "encoders": ["zoo/mae", "zoo/clip"]})
    roles = roles.assign(identified=[29, 30], fine=[0.6, 0.7], content=[0.3, 0.2])
    put(store, {layout.ROLES: with_all_columns(layout.ROLES, roles)})
    contrasts = pd.DataFrame(columns=["set", "claim", "bases", "first", "second", "first_role", "second_role"])
    put(store, {layout.CONTRASTS: with_all_columns(layout.CONTRASTS, contrasts)})
    opened = {"show-claim-zoo-1": "True", "show-claim-zoo-5": "True"}
    app = open_app("Models", run=run, part="claims", **opened)
    assert not app.exception
    identified, accuracies = figures(app)
    marks = next(trace for trace in identified["data"] if trace.get("name") == "identified")
    assert dict(zip(marks["customdata"], marks["x"], strict=True)) == {"MAE": 29, "CLIP": 30}
    content = next(trace for trace in accuracies["data"] if trace.get("name") == "content")
    assert dict(zip(content["customdata"], content["x"], strict=True)) == pytest.approx({"MAE": 30, "CLIP": 20})


def test_the_claim_about_unseen_styles_says_how_many_encoders_are_above_chance(open_app):
    app = open_app("Models", run=REFERENCE, part="claims", **{"show-claim-zoo-3": "True"})
    assert not app.exception
    rates = generalization.generalization_rates(Run.open(REFERENCE))
    above, count = generalization.above_chance(rates, 1 / len(Run.open(REFERENCE).classes("group")))
    assert f"{above or 'none'} of {count} encoders are better than chance" in unescaped(app)


def test_page_names_file_and_column_of_a_foreign_table(open_app, data_folder, made_run):
    run = data_folder / "runs" / "shared"
    shutil.copytree(made_run, run)
    store = RunFiles(run)
    put(store, {layout.SCORES: store.read_table(layout.SCORES).assign(value="high")})
    app = open_app("Models", run=run)
    assert not app.exception
    (error,) = app.error
    assert f"'{layout.SCORES}'" in error.value.replace("\\", "")
    assert "'value'" in error.value


def test_board_shows_submitted_models_with_their_author_and_names_files_left_out(open_app, tmp_path, monkeypatch):
    run = Run.open(REFERENCE)
    folder = shutil.copytree(BOARD, tmp_path / "submitted")
    made_entry(QuickProtocol.of(run), computed_by="Jane *Doe*").write(folder / "made.json")
    (folder / "bad [name](x).json").write_text("{}")
    monkeypatch.setattr("probing_core.paths.board_dir", lambda: folder)
    app = open_app("Models", run=REFERENCE, part="board", show_left_out="True")
    assert not app.exception
    assert not app.error
    (table,) = [one.value for one in app.dataframe]
    rows = table.set_index("model")
    assert set(rows.index) == {*run.models["name"], "timm:made.up_in1k"}
    assert rows.loc["timm:made.up_in1k", "status"] == "submitted by Jane *Doe*"
    made = folder / "made.json"
    made.write_bytes(made.read_bytes().replace(b"Jane", b"June"))  # the folder itself does not change
    app.run()
    assert app.dataframe[0].value.set_index("model").loc["timm:made.up_in1k", "status"] == "submitted by June *Doe*"
    assert (rows["status"] == "included").sum() == len(rows) - 1
    assert r"bad \[name\]\(x\)" in " ".join(one.value for one in app.markdown)
