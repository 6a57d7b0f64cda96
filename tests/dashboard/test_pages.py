"""Every page and tab over the made run, the shipped run, no run and runs that lack something; choices across pages."""

from __future__ import annotations

import re
import shutil

import pytest

from dashboard.text import QUESTIONS
from dashboard.widgets import messages
from lab.devtools.run_edits import put
from probing_core.run.layout import model_path
from probing_core.run.run_files import RunFiles
from tests.dashboard.app_reading import address, label, texts, unescaped
from tests.dashboard.conftest import PAGES, PARTS, REFERENCE

NEXT = re.compile(
    r"`probing |`--|`make |`streamlit |choose|upload|press|find|[Cc]lick|Evaluate your model|reference run"
)
"""What to do where something is missing: a command, a control or a page."""

WITHOUT_A_RUN = ("Before and after", "Evaluate your model", "Transformations")
VIEWS = [(page, {"part": part} if part else {}) for page in PAGES for part in PARTS.get(page, [""])]

every_view = pytest.mark.parametrize(
    ("page", "tab"), VIEWS, ids=[" ".join([page, *tab.values()]).replace(" ", "-") for page, tab in VIEWS]
)
every_page = pytest.mark.parametrize("page", PAGES)


def with_both_runs():
    """All views with the made run and with the reference run.

    A search in the reference run embeds its photographs, which is slow with encoders. `test_retrieval` searches in it
    with a baseline.
    """
    for page, tab in VIEWS:
        for shipped in (False, True):
            is_slow = shipped and tab.get("part") == "search"
            name = " ".join([page, *tab.values(), str(shipped)]).replace(" ", "-")
            yield pytest.param(page, tab, shipped, id=name, marks=[pytest.mark.slow] * is_slow)


@pytest.mark.parametrize(("page", "tab", "shipped"), list(with_both_runs()))
def test_opens(open_app, studied_run, page, tab, shipped, monkeypatch):
    headlines = []
    monkeypatch.setattr(messages, "finding", headlines.append)
    app = open_app(page, run=REFERENCE if shipped else studied_run, **tab)
    assert not app.exception
    assert not app.error
    assert [title.value for title in app.title] == [QUESTIONS[page]]
    assert not [box.value for box in app.info if not NEXT.search(box.value)]
    assert not [text for text in headlines if re.search(r"[.!?] +[A-Z*]", text)], "a headline is one sentence"
    if tab:
        assert address(app, "part") == tab["part"]


@every_page
def test_shows_what_to_do_without_a_run(open_app, page):
    app = open_app(page, run=None)
    assert not app.exception
    assert [title.value for title in app.title] == [QUESTIONS[page]]
    assert ("There are no results yet" in texts(app)) == (page not in WITHOUT_A_RUN)


@pytest.mark.parametrize("begun", [False, True])
@every_view
def test_what_a_run_lacks_is_explained(open_app, made_run, tmp_path, page, tab, begun):
    """A run that has hardly begun, and one with samples and scores, but no predictions, maps, embeddings or probes, of
    a corpus that is not here."""
    store, whole = RunFiles(tmp_path / "bare"), RunFiles(made_run)
    recipe = whole.read_toml("run.toml")
    put(store, {"run.toml": recipe if begun else recipe | {"corpus": "folder:/no/such/folder"}})
    for name in [] if begun else whole.names():
        if name in ("images.parquet", "samples.parquet", "tables/scores.parquet") or name.endswith("model.toml"):
            put(store, {name: whole.read_bytes(name)})
    app = open_app(page, run=store.root, **tab)
    assert not app.exception
    assert len(app.title) == 1
    assert not [box.value for box in app.info if not NEXT.search(box.value)]


@every_page
def test_a_model_that_was_changed_by_hand_is_one_sentence(open_app, made_run, tmp_path, page):
    run = shutil.copytree(made_run, tmp_path / "changed")
    entry = RunFiles(run).read_toml(model_path("baseline/pixels")) | {"name": ["baseline/pixels"]}
    put(RunFiles(run), {model_path("baseline/pixels"): entry})
    app = open_app(page, run=run)
    assert not app.exception
    if page not in WITHOUT_A_RUN:
        assert "'name' must be a string; got ['baseline/pixels']." in unescaped(app)


def test_pages_of_one_model_and_pages_of_several_follow_each_other(open_app):
    app = open_app("Retrieval", part="search", model="baseline/handcrafted")
    assert label(app, "multiselect", "Models").value[0] == "baseline/handcrafted"
    label(app, "multiselect", "Models").set_value(["baseline/pixels", "zoo/mae"]).run()
    app.switch_page(PAGES["Generalization"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/pixels"


def test_what_a_page_begins_with_stays_its_own(open_app):
    app = open_app("Retrieval", run=REFERENCE)
    first = label(app, "selectbox", "Model").value
    assert "model" not in app.query_params
    app.switch_page(PAGES["Generalization"]).run()
    shown = label(app, "selectbox", "Model")
    assert shown.value == label(open_app("Generalization", run=REFERENCE), "selectbox", "Model").value != first
    shown.select(first).run()
    assert address(app, "model") == first
    app.switch_page(PAGES["Retrieval"]).run()
    assert (label(app, "selectbox", "Model").value, address(app, "model")) == (first, first)


def test_an_address_opens_what_it_holds_and_nonsense_in_it_does_no_harm(open_app):
    app = open_app("Generalization", model="baseline/pixels", run_="made")
    assert label(app, "selectbox", "Model").value == "baseline/pixels"
    for page in PAGES:
        app = open_app(
            page, model="<b>none", models="no,such", task="fine,", selection="{]", part="x", strength="x",
            transform="'", subset="-1", example="no", unrelated="-", table="../x",
        )  # fmt: skip
        assert not app.exception, page


def test_a_link_to_a_run_that_is_not_here_is_answered(open_app):
    assert "The run 'gone' is not available" in unescaped(open_app("Models", run_="gone"))


def test_a_link_that_asks_for_what_is_not_here_gets_one_line(open_app):
    app = open_app("Generalization", model="nonsense")
    (warned,) = [warning.value.replace("\\", "") for warning in app.warning]
    shown = label(app, "selectbox", "Model").value
    expected = f"The link contains an unavailable value for Model: 'nonsense'. The page shows '{shown}' instead."
    assert warned == expected
    app.selectbox(key="model").set_value("baseline/pixels").run()
    assert app.warning, "as long as the page is open"
    assert not app.switch_page(PAGES["Methods"]).run().warning, "another page does not speak of it"
    assert not open_app("Generalization", model="baseline/pixels").warning


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("Try your images", {"example": "no"}),
        ("Try your images", {"models": "no/such"}),
        ("Transformations", {"transform": "fog", "strength": "no"}),
        ("Transformations", {"transform": "no"}),
        ("Generalization", {"part": "no"}),
    ],
)
def test_what_no_list_holds_gets_one_too(open_app, page, asked):
    (warned,) = [w.value.replace("\\", "") for w in open_app(page, **asked).warning if "The link contains" in w.value]
    assert "no" in warned
