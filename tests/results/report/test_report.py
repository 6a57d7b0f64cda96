"""The page is whole in itself, is the same every time, and shows what the run's tables hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pandas as pd
import pytest

from lab.devtools.browser import CHROMIUM, WAIT_MS
from lab.devtools.made_run import make_run
from probing_core.errors import BadConfig, BadRun
from probing_core.results import Run, leaderboard, retrieval, summaries
from probing_core.results.report import write_report
from probing_core.results.report.page import MAX_ROWS, Chart, More, Section, Table, Text, render
from probing_core.results.report.sections import sections
from probing_core.results.sentences import finding, originals_finding
from probing_core.run.store import Store
from probing_core.transforms import resolve
from tests.made_studies import add_studies

pytestmark = pytest.mark.slow

WITHOUT_CAN = {"set": ["published"], "encoders": ["MAE: timm:x"], "missing": ["CAN"]}
HOSTILE = "<script>alert('x')</script>&\u2028</b>"


class Page(HTMLParser):
    """What a browser would see: texts, figures and everything that would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.figures: dict[str, str] = {}
        self.words: list[str] = []
        self._script = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.tags.append(tag)
        self.loaded += [about[k] for k in ("src", "href") if k in about and not str(about[k]).startswith("#")]
        self._script = (about.get("id") or "code") if tag == "script" else ""

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = ""

    def handle_data(self, data):
        if self._script == "":
            self.words.append(data)
        elif self._script != "code":
            self.figures[self._script] = self.figures.get(self._script, "") + data


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return Run.open(make_run(tmp_path_factory.mktemp("runs") / "made"))


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(render("Title", sections(run)))


def test_nothing_is_loaded_from_elsewhere(page):
    assert page.loaded == []
    assert not {"link", "img", "iframe"} & set(page.tags)


def test_every_figure_is_there_in_light_and_dark(page, run):
    places = {name.rsplit("-", 1)[0] for name in page.figures}
    assert {f"{place}-{theme}" for place in places for theme in ("light", "dark")} == set(page.figures)
    # leaderboard, groups, unseen members; and for each model a confusion matrix and its members
    assert len(places) == 3 + 2 * len(run.models)
    for text in page.figures.values():
        assert {"data", "layout"} <= json.loads(text).keys()
    light, dark = (json.loads(page.figures[f"figure-1-{theme}"]) for theme in ("light", "dark"))
    assert light["layout"]["font"]["color"] != dark["layout"]["font"]["color"]


def test_the_leaderboard_is_that_of_the_run(page, run):
    words = [w.strip() for w in page.words if w.strip()]
    for row in leaderboard([run], "fine", "seen").itertuples():
        at = words.index(row.model)
        assert f"{100 * row.value:.1f}" in words[at : at + 6]
    models = leaderboard([run], "fine", "seen", baselines=False)
    assert words.index(finding(models, 31)) < words.index(models["model"].iloc[0]), "the finding comes first"


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; from probing_core.results.report import write_report; "
        "from probing_core.results import Run; write_report(Run.open(sys.argv[1]), Path(sys.argv[2])); "
        "assert not {'torch', 'umap', 'onnxruntime', 'streamlit'} & set(sys.modules), sorted(sys.modules)"
    )
    write_report(run, tmp_path / "a.html")
    subprocess.run([sys.executable, "-c", code, run.path, tmp_path / "b.html"], check=True, timeout=300)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_text_is_never_markup():
    figure = {"data": [{"x": [1], "y": [1], "name": HOSTILE}], "layout": {}}
    table = pd.DataFrame({HOSTILE: [HOSTILE, 0.5, None]})
    blocks = [
        Text(HOSTILE),
        Table(table, HOSTILE),
        Chart(figure, figure, HOSTILE, HOSTILE),
        More(HOSTILE, [Text("x")]),
    ]
    page = Page(render(HOSTILE, [Section(HOSTILE, blocks), Section("second", blocks[:1])]))
    # figure data twice, Plotly and the page's own: none that a text began
    assert page.tags.count("script") == 4
    assert "b" not in page.tags
    assert page.words.count(HOSTILE) >= 6
    assert json.loads(page.figures["figure-1-light"])["data"][0]["name"] == HOSTILE


def test_long_tables_say_what_is_left_out():
    words = Page(render("t", [Section("s", [Table(pd.DataFrame({"n": range(MAX_ROWS + 7)}))])])).words
    assert any(f"The first {MAX_ROWS} rows of {MAX_ROWS + 7}; the run holds all." in w for w in words)


def test_tables_of_studies_are_shown_and_others_are_passed_over(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    models = list(run.models["name"])
    names = run.classes("fine")
    shifts = pd.DataFrame({"model": models[0], "transform": names, "value": 0.3})
    store = Store(copy)
    for name, table in (
        ("claims", pd.DataFrame({"claim": ["A claim."], "result": ["cannot be told"]} | WITHOUT_CAN)),
        ("geometry", shifts.assign(model=leaderboard([run], "fine", "seen")["model"].iloc[0])),
        ("gone", pd.DataFrame({"anything": [1]})),
    ):
        store.write_table(f"tables/{name}.parquet", table, "key")
    page = Page(render("t", sections(Run.open(copy))))
    assert len(page.figures) // 2 == 3 + 2 * len(models) + 1
    assert {"Undecided here, tested without CAN.", "A claim."} <= set(page.words)
    assert not {"gone", "anything"} & set(page.words), "a table that there cannot be is passed over"
    assert any(w.startswith("Tested on published encoders") and "MAE: timm:x." in w for w in page.words)


def test_a_run_of_a_split_corpus_has_its_content_and_other_probes(trained_run):
    run = Run.open(trained_run)
    words = Page(render("t", sections(run))).words
    assert {"Content against transformation", "Other probes", "knn-20", "oracle", "repetition"} <= set(words)


def test_a_run_with_tables_of_retrieval_has_its_sentence_and_charts_and_one_without_says_what_to_do(run, tmp_path):
    studied = Run.open(add_studies(shutil.copytree(run.path, tmp_path / "studied")))
    page = Page(render("t", sections(studied)))
    assert originals_finding(studied) in page.words
    assert {use.title for use in retrieval.USES.values()} <= {word.partition(":")[0] for word in page.words}
    bare = Page(render("t", sections(run)))
    assert len(page.figures) > len(bare.figures)
    assert any("`probing run --out DIR` adds it to a run that has them" in word for word in bare.words)


def test_units_of_strengths_are_those_of_the_definitions_whatever_an_older_table_holds(run, tmp_path):
    older = Run.open(add_studies(shutil.copytree(run.path, tmp_path / "older")))
    table = older.table("tables/thresholds.parquet")
    units = {name: resolve(name).unit for name in table["transform"]}
    for given in (table, table.assign(unit="furlongs")):
        told = summaries.with_units(older, given)
        assert dict(zip(told["transform"], told["unit"], strict=True)) == units
    older.store.write_table("tables/thresholds.parquet", table.assign(unit="furlongs"), "key")
    words = Page(render("t", sections(Run.open(older.path)))).words
    assert "furlongs" not in words
    assert set(units.values()) <= set(words)


def test_what_cannot_be_written_is_told(run, tmp_path):
    with pytest.raises(BadConfig, match=r"call it report\.html"):
        write_report(run, tmp_path / "report.pdf")
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    Store(copy).remove("tables/scores.parquet")
    with pytest.raises(BadRun, match="no scores to report yet"):
        write_report(Run.open(copy), tmp_path / "report.html")


def test_the_command_writes_the_page(run, tmp_path):
    from probing_core.cli import main

    assert main(["report", "--run", str(run.path), "--out", str(tmp_path / "r.html")]) == 0
    assert re.match("<!doctype html>", (tmp_path / "r.html").read_text(encoding="utf-8"))
    assert main(["report", "--run", str(tmp_path), "--out", str(tmp_path / "r.html")]) == 2


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine (apt-get install chromium)")
def test_the_page_draws_itself_without_a_network(run, tmp_path, chromium):
    write_report(run, tmp_path / "r.html")
    asked, errors = [], []
    view = chromium.new_page(viewport={"width": 800, "height": 900})
    view.set_default_timeout(WAIT_MS)
    view.on("request", lambda r: asked.append(r.url))
    view.on("pageerror", lambda e: errors.append(str(e)))
    view.goto((tmp_path / "r.html").as_uri())
    view.locator(".js-plotly-plot").first.wait_for()
    assert view.evaluate("document.documentElement.scrollWidth") <= 800
    view.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
