"""`probing report` and `Run.explore`: a run as one file, on disk or in a notebook."""

from __future__ import annotations

import getpass
import json
import re

import pytest

from lab.devtools.browser import IN_BROWSER, complaints_of
from lab.devtools.run_edits import put
from probing_core.cli import main
from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from tests.conftest import copy_of_made_run

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose labels and licenses are markup."""
    root = copy_of_made_run(tmp_path_factory.mktemp("sent") / "somewhere-private" / "shown")
    store = RunFiles(root)
    for name, columns in ((layout.IMAGES, ["label", "license"]), (layout.SAMPLES, ["label"])):
        table = store.read_table(name)
        put(store, {name: table.assign(**dict.fromkeys(columns, HOSTILE))})
    return root


def test_the_command_says_first_what_leaves(run, tmp_path, capsys):
    out = tmp_path / "run.html"
    assert main(["report", "--run", str(run), "--models", "zoo/mae,baseline/pixels", "--out", str(out)]) == 0
    printed, said = capsys.readouterr()
    images = Run.open(run).images
    count = images.loc[images["used"], "base_id"].nunique()
    assert f"{count} photographs" in said.splitlines()[0]
    assert f"under {HOSTILE}" in said.splitlines()[0]
    assert printed.startswith(f"{out}: ")
    text = out.read_text()
    header = json.loads(re.search(r"data-header>(.*?)</script>", text, re.S)[1])
    assert [model["name"] for model in header["data"]["models"]] == ["zoo/mae", "baseline/pixels"]
    assert set(header["data"]["labels"]) == {HOSTILE}
    assert "<img" not in text
    assert "Run \N{LEFT DOUBLE QUOTATION MARK}shown\N{RIGHT DOUBLE QUOTATION MARK}, " in text
    for private in ("somewhere-private", str(tmp_path), f"/{getpass.getuser()}/"):
        assert private not in text


def test_without_pictures_none_leaves(run, tmp_path, capsys):
    out = tmp_path / "run.html"
    assert main(["report", "--run", str(run), "--pictures", "none", "--out", str(out)]) == 0
    assert capsys.readouterr().err.startswith("The file contains no photographs")
    assert '"images":null' in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--out", "run.pdf"], "run.html"), (["--models", "zoo/none", "--out", "run.html"], "zoo/none")],
)
def test_what_cannot_be_written_is_refused(run, tmp_path, monkeypatch, capsys, arguments, word):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--run", str(run), *arguments]) == 2
    assert word in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


class TestInABrowser:
    pytestmark = IN_BROWSER

    def test_a_notebook_shows_the_file(self, run, chromium):
        shown = Run.open(run).explore(["zoo/mae", "baseline/pixels"])
        page = chromium.new_page()
        complaints = complaints_of(page)
        page.set_content(f"<title>notebook</title>{shown._repr_html_()}")
        frame = page.frame_locator("iframe")
        frame.locator(".px-open").first.click()
        frame.locator("dialog[open]").wait_for()
        assert complaints == []
        assert page.title() == "notebook"
        page.close()
