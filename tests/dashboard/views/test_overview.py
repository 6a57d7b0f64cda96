"""The page Overview without a browser."""

from __future__ import annotations

import pytest
from dashboard.components.tour import STEPS

from probing_core.results import Run, leaderboard, retrieval, sentences, summaries
from probing_core.results.compare import compare
from probing_core.results.ranking import has_place, marked
from probing_core.run.store import Store
from tests.dashboard.app_reading import figures, label, texts, unescaped
from tests.dashboard.conftest import PAGES, REFERENCE


def test_encoders_and_baselines_stand_in_one_ranking(open_app):
    app = open_app(task="group-0", subset="unseen", show_board="True")
    assert not app.exception
    assert label(app, "selectbox", "Task").value == "group-0"
    (table,) = [t.value for t in app.dataframe if "against the best" in t.value]
    assert table["score %"].is_monotonic_decreasing
    assert table["chance %"].round(1).eq(9.1).all()
    baseline = table["model"].str.startswith("baseline/")
    assert baseline.sum() == 2
    assert table.loc[baseline, "against the best"].eq("baseline").all()
    assert table.loc[~baseline, "against the best"].iloc[0] == "best"
    assert figures(app)[0]["data"][0]["y"] == list(table["model"])[::-1]


def test_the_first_sentence_is_the_finding_of_the_run(open_app):
    for path in (None, REFERENCE):
        app = open_app(show_board="True", **({} if path is None else {"run": path}))
        board = next(t.value for t in app.dataframe if "against the best" in t.value)
        baseline = board["model"].str.startswith("baseline/")
        first = app.markdown[0].value.replace("\\", "")
        assert f"**{board.loc[~baseline, 'model'].iloc[0]}**" in first
        score, interval = board.loc[~baseline, ["score %", "95 % interval"]].iloc[0]
        assert f"{score:.1f} % of the test images (95 % interval {interval})" in first
        name, lesser = board.loc[baseline, ["model", "score %"]].iloc[0]
        assert f"**{name}**, a baseline that has learned nothing from pictures, reaches {lesser:.1f} %" in first
        assert ("more than any of them" in first) == (lesser > score)


def test_other_seeds_stand_folded_below_their_model(open_app):
    app = open_app(run=REFERENCE, show_board="True", show_seeds="True")
    assert not app.exception
    board = leaderboard([Run.open(REFERENCE)], "fine", "seen")
    further = board[~has_place(board)]
    assert "zoo/supervised@seed=1" in set(further["model"])
    dots, ticks = figures(app)[0]["data"][:2]
    assert dots["y"] == list(board.loc[has_place(board), "model"])[::-1]
    assert ticks["x"] == pytest.approx((further["value"] * 100).tolist())
    assert ticks["y"] == further["seed_of"].tolist()
    (table,) = [t.value for t in app.dataframe if "against the best" in t.value]
    assert set(table["model"]) == set(marked(board))
    assert table.loc[table["model"].isin(marked(further)), "against the best"].eq("another seed").all()
    (folded,) = [t.value for t in app.dataframe if "seed_of" in t.value]
    assert list(folded["model"]) == list(further["model"])
    row = folded.set_index("model").loc["zoo/supervised@seed=1"]
    apart = compare("zoo/supervised@seed=1", "zoo/supervised", REFERENCE).table.set_index("subset").loc["all"]
    ends = ["difference", "low", "high"]
    assert row[ends].tolist() == pytest.approx((apart[ends] * 100).tolist())
    assert f"({len(further)} more with other seeds)" in texts(app)


def test_each_use_has_a_card_with_its_best_model_and_a_link(open_app):
    run, app = Run.open(REFERENCE), open_app(run=REFERENCE)
    for use, about in retrieval.USES.items():
        assert f"**{about.title}**" in texts(app)
        assert sentences.best_for(run, use) in unescaped(app).replace("**", "").replace("\N{NO-BREAK SPACE}", " ")
    assert [link.proto.label for link in app.get("page_link")] == ["Retrieval", "Retrieval", "Retrieval", "Scan"]
    assert "Names: `zoo/` encoders of the project" in texts(app)
    assert not open_app().get("page_link"), "the made run has measured no use"


def test_a_run_of_baselines_alone_is_ranked(open_app, made_run, tmp_path):
    store, whole = Store(tmp_path / "baselines"), Store(made_run)
    for name in whole.names():
        if not name.startswith(("models/zoo", "models/timm")) and name != "tables/scores.parquet":
            store.write_bytes(name, whole.read_bytes(name), "key")
    scores = whole.read_table("tables/scores.parquet")
    store.write_table("tables/scores.parquet", scores[scores["model"].str.startswith("baseline/")], "key")
    app = open_app(run=store.root, show_board="True")
    assert not app.exception
    (table,) = (t.value for t in app.dataframe if "against the best" in t.value)
    assert set(table["model"]) == {"baseline/handcrafted", "baseline/pixels"}
    assert "Of 2 models, **baseline/handcrafted** knows most" in unescaped(app)


def test_the_tour_has_five_steps_and_can_be_closed(open_app):
    app = open_app()
    for step, (page, _, _) in enumerate(STEPS, 1):
        assert f"**{step} of 5 · {page}**" in texts(app)
        assert page in (app.title[0].value, "Overview")  # each step leads to the page that it is about
        if step < len(STEPS):
            app.button(key="tour-next").click().run()
    app.button(key="tour-close").click().run()
    assert "of 5 ·" not in texts(app)
    app.switch_page(PAGES["Overview"]).run()
    app.button(key="tour-again").click().run()
    assert "**1 of 5" in texts(app)


def test_the_overview_leads_to_two_classes(open_app):
    app = open_app()
    app.button(key="ask-two").click().run()
    assert not app.exception
    assert label(app, "button_group", "Compare").value == "two classes"


def test_the_overview_shows_what_stands_behind_its_scores(open_app):
    run = Run.open(REFERENCE)
    assert len(open_app(run=REFERENCE).dataframe) == 1, "what nobody has opened is not made"
    folds = ("other-probes", "repetitions", "sure", "content")
    app = open_app(run=REFERENCE, **{f"show-{name}": "True" for name in folds})
    assert not app.exception
    assert [e.label for e in app.expander if "fine" in e.label or "trusted" in e.label or "Content" in e.label] == [
        "Other probes at the task fine",
        "Repetitions at the task fine",
        "How far the probabilities of the task fine can be trusted",
        "Content under each transformation",
    ]
    sure = next(t.value for t in app.dataframe if "nll" in t.value).set_index("model")
    scores = run.scores[(run.scores["task"] == "fine") & (run.scores["subset"] == "seen")].set_index("measure")
    mae = scores[scores["model"] == "zoo/mae"]
    assert list(sure.loc["zoo/mae", ["nll", "low", "high"]]) == list(mae.loc["nll", ["value", "low", "high"]])
    assert sure.at["zoo/mae", "calibration-error"] == mae.at["calibration-error", "value"]
    probes = next(t.value for t in app.dataframe if "knn-5" in set(t.value.get("probe", ())))
    assert {"linear", "mlp", "mlp-0"} <= set(probes["probe"])
    content = next(t.value for t in app.dataframe if "oracle" in t.value)
    assert content[["clean", "transformed", "oracle"]].notna().all().all()


def test_the_overview_states_whose_verdicts_it_shows(open_app):
    shown = unescaped(open_app(run=REFERENCE))
    assert "**Tested on the zoo, whose encoders differ in the objective alone.**" in shown
    assert "supervised: zoo/supervised, zoo/supervised@seed=1; SimCLR: zoo/simclr, zoo/simclr@seed=1;" in shown
    assert "CLIP: zoo/clip-plain, zoo/clip-plain@seed=1; ALIGN: zoo/align-plain, zoo/align-plain@seed=1." in shown
    assert "0 of 8 contrasts lie above 0 and 1 below" in shown
    assert "Differences in points" not in shown, "they are drawn"


def test_a_claim_is_drawn_with_the_differences_that_it_rests_on(open_app):
    run = Run.open(REFERENCE)
    contrasts = run.table("tables/contrasts.parquet")
    charts = [
        f for f in figures(open_app(run=REFERENCE)) if "points" in f["layout"]["xaxis"].get("title", {}).get("text", "")
    ]
    claims = [rows for _, rows in contrasts.groupby("claim")]
    assert len(charts) == len(claims)
    for chart, rows in zip(charts, claims, strict=True):
        drawn = {trace["marker"]["symbol"]: trace for trace in chart["data"] if trace["mode"] == "markers"}
        differs = rows["p_holm"] < 0.05
        for symbol, mine in (("circle", rows[differs]), ("circle-open", rows[~differs])):
            assert (symbol in drawn) == bool(len(mine))
            if len(mine):
                assert list(drawn[symbol]["x"]) == pytest.approx(list(mine["effect"] * 100))
                reach = (mine["seeds_high"] - mine["effect"]) * 100
                assert list(drawn[symbol]["error_x"]["array"]) == pytest.approx(list(reach)), (
                    "over trainings, as tested"
                )


def test_why_untouched_pictures_are_seldom_named_is_said_with_the_shares(open_app):
    run = Run.open(REFERENCE)
    rows = summaries.by_group(run, list(run.models["name"]))
    shares = rows.loc[(rows["group"] == "identity") & ~rows["model"].str.startswith("baseline/"), "value"]
    assert f"Identity is low, {shares.min():.0%} to {shares.max():.0%}".replace("%", " %") in texts(
        open_app(run=REFERENCE)
    )
