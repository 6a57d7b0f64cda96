"""Every page over the made run, over no run and over a run that has hardly begun; choices across pages."""

from __future__ import annotations

import re
import shutil

import pytest

from probing_core.run.layout import model_path
from probing_core.run.store import Store
from tests.dashboard.app_reading import address, label, texts, unescaped
from tests.dashboard.conftest import PAGES

TITLES = {"Overview": "What does your image embedding know?"}
NEXT = re.compile(r"`probing |`--|`make |`streamlit |choose|upload|press|find|[Cc]lick|New run|reference run")
"""What to do where something is missing: a command, a control or a page."""

WITHOUT_A_RUN = ("Scan", "New run", "Transformations")


@pytest.mark.parametrize("page", PAGES)
def test_opens(open_app, page):
    app = open_app(page)
    assert not app.exception
    assert not app.error
    assert [title.value for title in app.title] == [TITLES.get(page, page)]


@pytest.mark.parametrize("page", PAGES)
def test_shows_what_to_do_without_a_run(open_app, page):
    app = open_app(page, run=None)
    assert not app.exception
    assert app.title[0].value
    assert ("make demo" in texts(app)) == (page not in WITHOUT_A_RUN)


@pytest.mark.parametrize("page", PAGES)
def test_tables_that_are_missing_are_explained(open_app, made_run, tmp_path, page):
    """A run with samples and scores, but no predictions, maps, embeddings or probes, of a corpus that is not here."""
    store, whole = Store(tmp_path / "bare"), Store(made_run)
    for name in whole.names():
        if name in ("images.parquet", "samples.parquet", "tables/scores.parquet") or name.endswith("model.toml"):
            store.write_bytes(name, whole.read_bytes(name), "key")
    store.write_toml("run.toml", whole.read_toml("run.toml") | {"corpus": "folder:/no/such/folder"}, "key")
    app = open_app(page, run=store.root)
    assert not app.exception
    assert len(app.title) == 1
    assert not [box.value for box in app.info if not NEXT.search(box.value)]


@pytest.mark.parametrize("page", PAGES)
def test_a_model_that_was_changed_by_hand_is_one_sentence(open_app, made_run, tmp_path, page):
    run = shutil.copytree(made_run, tmp_path / "changed")
    entry = Store(run).read_toml(model_path("baseline/pixels")) | {"name": ["baseline/pixels"]}
    Store(run).write_toml(model_path("baseline/pixels"), entry, "key")
    app = open_app(page, run=run)
    assert not app.exception
    if page not in WITHOUT_A_RUN:
        assert "its 'name' must be text; got ['baseline/pixels']. Bring back the file" in unescaped(app)


CHOICES = {
    "Explore": {"ask": "True", "models": "baseline/pixels"},
    "Map": {"selected": "3.7.11", "arrows": "True"},
    "Confusion": {"compare": "two classes"},
    "Try your images": {"samples": "coffee/00", "neighbors": "True", "models": "baseline/pixels"},
}


@pytest.mark.parametrize("page", PAGES)
def test_a_run_that_ships_no_pictures_opens_and_offers_one_that_has_them(
    open_app, shipped_run, made_run, data_folder, page
):
    shutil.copytree(made_run, data_folder / "runs" / "demo")
    app = open_app(page, run=shipped_run, **CHOICES.get(page, {}))
    assert not app.exception
    assert not app.error
    assert len(app.title) == 1
    if page not in CHOICES:
        return
    what = "pictures" if page in ("Map", "Confusion") else "embeddings"
    assert f"This run ships no {what}" in texts(app)
    label(app, "button", f"Open the run 'demo', which has {what}").click().run()
    assert not app.exception
    assert address(app, "run") == "demo"
    assert f"This run ships no {what}" not in texts(app)


def test_choices_follow_from_page_to_page_and_stand_in_the_address(open_app):
    app = open_app("Confusion")
    label(app, "selectbox", "Model").select("baseline/handcrafted").run()
    assert address(app, "model") == "baseline/handcrafted"
    app.switch_page(PAGES["Generalization"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/handcrafted"


def test_pages_of_one_model_and_pages_of_several_follow_each_other(open_app):
    app = open_app("Confusion")
    label(app, "selectbox", "Model").select("baseline/handcrafted").run()
    app.switch_page(PAGES["Map"]).run()
    assert label(app, "multiselect", "Models").value == ["baseline/handcrafted", "zoo/mae"]
    label(app, "multiselect", "Models").set_value(["baseline/pixels", "zoo/mae"]).run()
    app.switch_page(PAGES["Generalization"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/pixels"
    label(app, "selectbox", "Model").select("baseline/handcrafted").run()
    app.switch_page(PAGES["Map"]).run()
    assert label(app, "multiselect", "Models").value == ["baseline/handcrafted", "baseline/pixels"]


def test_an_address_opens_what_it_holds_and_nonsense_in_it_does_no_harm(open_app):
    app = open_app(model="baseline/pixels", task="group-1", run_="made")
    app.switch_page(PAGES["Confusion"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/pixels"
    assert label(app, "selectbox", "Task").value == "group-1"
    for page in ("Map", "Confusion", "Transformations", "Explore"):
        app = open_app(
            page, model="<b>none", models="no,such", task="fine,", color="7", cell=">>", selected="zzz%", strength="x",
            transform="'", subset="-1",
        )  # fmt: skip
        assert not app.exception


def test_a_link_to_a_run_that_is_not_here_is_answered(open_app):
    app = open_app("Confusion", run_="gone")
    assert "There is no run 'gone' on this computer" in unescaped(app)


def test_a_link_that_asks_for_what_is_not_here_is_told_so_in_one_line(open_app):
    app = open_app("Confusion", model="nonsense", task="group-1")
    (told,) = [warning.value.replace("\\", "") for warning in app.warning]
    shown = label(app, "selectbox", "Model").value
    assert told == f"The link asks for Model 'nonsense', which is not here. The page opened with '{shown}'."
    assert label(app, "selectbox", "Task").value == "group-1"
    app.selectbox(key="task").set_value("fine").run()
    assert [w.value for w in app.warning], "as long as the page is open"
    assert not open_app("Confusion", model="baseline/pixels", cell="jpeg>identity").warning


def test_of_a_list_in_a_link_only_what_is_not_here_is_told(open_app):
    app = open_app("Explore", models="baseline/pixels,no/such", transform="fog")
    (told,) = [warning.value.replace("\\", "") for warning in app.warning]
    assert "asks for Models 'no/such'" in told
    assert app.multiselect(key="models").value == ["baseline/pixels"]
    assert not app.switch_page(PAGES["Layers"]).run().warning, "another page does not speak of it"


def test_a_link_with_an_unknown_name_is_told_so_in_one_line(open_app):
    app = open_app("Confusion", modle="baseline/pixels")
    (told,) = [warning.value for warning in app.warning]
    assert told == "The link sets 'modle', which no page has; the nearest name is 'model'."
    assert "modle" not in app.query_params


@pytest.mark.parametrize(
    ("page", "asked"),
    [("Confusion", {"cell": "no>such"}), ("Map", {"groups": "blur,no"}), ("Map", {"transformation": "no"}),
     ("Try your images", {"example": "no"}), ("Try your images", {"models": "no/such"}),
     ("Explore", {"strength": "no", "models": "baseline/pixels"}), ("Map", {"selected": "no%"})],
)  # fmt: skip
def test_what_no_list_holds_is_told_too(open_app, page, asked):
    (told,) = [w.value.replace("\\", "") for w in open_app(page, **asked).warning if "The link asks for" in w.value]
    assert "no" in told
