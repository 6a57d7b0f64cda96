"""Six journeys of a visitor in headless Chromium over the made run."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pandas as pd
import pytest

from dashboard.components.explorer import MOST_MODELS
from dashboard.views.try_folder import scans_dir
from lab.devtools.browser import (
    COUNTS,
    EXPLORER_READY,
    IN_BROWSER,
    SELECTION,
    WAIT_MS,
    complaints_of,
    lasso,
    run_again,
    wait_until_settled,
)
from probing_core.corpora import open_corpus
from probing_core.images import encode_png
from probing_core.measures.notation import model_title
from probing_core.results import Run
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.data import SHARED_MODELS, default_models
from probing_core.transforms import resolve
from tests.results.explorer.counting import assert_same, counts, points, random_selection

pytestmark = [*IN_BROWSER, pytest.mark.slow]

SELECT = """async (chosen) => {
  const {explorer} = document.querySelector('.probing-explorer');
  await explorer.select(chosen);
  return explorer.counts();
}"""

CLEAN, BLURRED, BROKEN = "clean.png", "blurred.png", "broken.png"


@pytest.fixture
def explorer(page, server):
    """The first page, once its explorer is drawn."""
    page.goto(server)
    page.wait_for_function(EXPLORER_READY)
    wait_until_settled(page)
    return page


@pytest.fixture(scope="module")
def data(made_run):
    run = Run.open(made_run)
    return explorer_data(run, default_models(run, MOST_MODELS))


@pytest.fixture(scope="module")
def table(made_run, data) -> pd.DataFrame:
    return points(Run.open(made_run), data)


def in_address(page) -> dict:
    """The selection that the page's address holds, once it is the one that the page shows."""
    asked = "new URLSearchParams(location.search).get('selection')"
    page.wait_for_function(f"() => {asked} === JSON.stringify(({SELECTION})())", timeout=WAIT_MS)
    return json.loads(parse_qs(urlsplit(page.url).query)["selection"][0])


def test_from_the_first_screen_to_a_wrong_picture_in_three_clicks(explorer):
    explorer.get_by_role("tab", name="Largest confusions").click()
    explorer.locator(".px-line").filter(has_not_text="\u2713").first.click()
    explorer.locator(".px-open").first.click()
    dialog = explorer.locator("dialog[open]")
    assert dialog.locator(".px-wrong").count()
    explorer.wait_for_function("() => [...document.querySelectorAll('dialog img')].every((one) => one.naturalWidth)")
    explorer.keyboard.press("Escape")
    assert not dialog.count()


def test_from_a_lasso_to_the_matrix_to_a_picture_and_by_the_address_to_somebody_else(explorer, data):
    everything = explorer.evaluate(COUNTS)["n"]
    lasso(explorer, "a")
    enclosed = explorer.evaluate(COUNTS)["n"]
    assert 0 < enclosed < everything
    rows = explorer.evaluate(COUNTS)["rows"]
    largest = max((n, one.title) for n, one in zip(rows, data.classes, strict=True) if one.name != "identity")[1]
    explorer.locator(f".px-matrix .px-row[aria-label='{largest}']").click()
    assert explorer.locator(".px-chip").count() == 2
    found = explorer.evaluate(COUNTS)
    assert found["n"] <= enclosed
    sent = in_address(explorer)
    assert sent == explorer.evaluate(SELECTION)
    explorer.locator(".px-open").first.click()
    explorer.locator("dialog[open]").wait_for()
    link = explorer.url
    explorer.goto("about:blank")
    explorer.context.clear_cookies()
    explorer.goto(link)
    explorer.wait_for_function(EXPLORER_READY)
    assert explorer.evaluate(COUNTS) == found


def test_what_one_model_gets_right_and_the_other_does_not(explorer, table):
    explorer.get_by_role("button", name="only B correct").click()
    chosen = explorer.evaluate(SELECTION)
    truth = table["transform"]
    a, b = (table[chosen[slot]] == truth for slot in "ab")
    assert explorer.evaluate(COUNTS)["n"] == (b & ~a).sum() > 0
    explorer.locator(".px-open").first.wait_for()
    cards = explorer.locator(".px-open").all()
    marks = [["\u2713" in answer for answer in card.locator(".px-answer").all_inner_texts()] for card in cards]
    assert marks
    assert all(mark == [False, True] for mark in marks)


def test_counts_of_random_selections_are_those_of_pandas(explorer, data, table):
    rng = np.random.default_rng(1)
    for _ in range(30):
        chosen = random_selection(data, rng)
        assert_same(explorer.evaluate(SELECT, chosen), counts(data, table, chosen))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A photograph, the same blurred, and a file that is none."""
    folder = tmp_path_factory.mktemp(f"journey-{os.getpid()}", numbered=False)
    photograph = cv2.resize(open_corpus("photos").load("chelsea/05"), (150, 150), interpolation=cv2.INTER_AREA)
    blurred = resolve("gaussian-blur").apply(photograph, 3.0, np.random.default_rng(0))
    for name, picture in ((CLEAN, photograph), (BLURRED, blurred)):
        (folder / name).write_bytes(encode_png(picture))
    (folder / BROKEN).write_bytes(b"this is no picture")
    return folder


def test_an_upload_has_a_verdict_and_every_models_answer(page, server, detecting_run, folder):
    page.goto(f"{server}/try?run={detecting_run.name}")
    wait_until_settled(page)
    files = [str(folder / name) for name in (CLEAN, BLURRED, BROKEN)]
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(files)
    page.get_by_text(f"{CLEAN}, 150").wait_for()
    wait_until_settled(page)
    verdict = page.get_by_test_id("stAlert").filter(has_text=re.compile("edit", re.IGNORECASE)).first
    assert re.search("Probably unedited|No edit detected", verdict.inner_text())
    names = page.locator(".answers tbody th").all_inner_texts()
    assert sorted(names) == sorted(model_title(model) for model in Run.open(detecting_run).live_models)
    assert page.get_by_test_id("stAlert").filter(has_text=BROKEN).count() == 1
    table = page.locator(".st-key-images-of-visitor .dvn-scroller").first
    table.click(position={"x": 160, "y": 36 + 36 + 18})  # a cell of the second row
    page.get_by_text(f"{BLURRED}, 150").wait_for()
    wait_until_settled(page)
    assert re.search(r"Edited \(.*\): blur", verdict.inner_text())


@pytest.fixture
def scan_name(folder) -> Iterator[str]:
    """Scans started on the page are in the data folder of the server; what the test makes there is removed."""
    yield folder.name
    shutil.rmtree(scans_dir() / folder.name, ignore_errors=True)


def test_a_folder_is_scanned_and_its_table_downloaded(page, server, detecting_run, folder, scan_name):
    page.goto(f"{server}/try?part=folder&run={detecting_run.name}&scan-run={detecting_run.name}")
    wait_until_settled(page)
    page.get_by_label("Folder", exact=True).fill(str(folder))
    page.get_by_label("Folder", exact=True).press("Enter")
    page.get_by_role("button", name="Start").click()
    scan = page.locator(f".st-key-scan-of-{scan_name}")
    scan.get_by_text("complete").wait_for()
    wait_until_settled(page)
    if not scan.get_by_text("Download CSV").count():  # open at once where the page saw the scan run
        scan.get_by_text("Results").click()
    scan.get_by_text("1 unreadable").wait_for()
    wait_until_settled(page)  # a table that comes late moves what is below it, away from under a click
    with page.expect_download() as download:
        scan.get_by_text("Download CSV").click()
    found = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes())).set_index("path")
    assert found["answer"].drop(CLEAN).to_dict() == {BLURRED: "edited", BROKEN: "unreadable"}
    assert found.loc[CLEAN, "answer"] in ("probably unedited", "no edit detected")
    assert found.loc[BLURRED, "group"] == "blur"
    with page.expect_download() as download:
        scan.get_by_text("Download HTML page with thumbnails").click()
    assert CLEAN in Path(download.value.path()).read_text()


def test_the_file_to_send_is_made_on_the_page_and_shows_offline_what_the_page_shows(
    explorer, chromium, made_run, data, tmp_path
):
    names = [model.name for model in data.models]
    with run_again(explorer):
        explorer.locator(".px-map-a select").select_option(names[2])
    lasso(explorer, "b")
    selected = in_address(explorer)
    assert (selected["a"], selected["where"]["map"]) == (names[2], "b")
    explorer.get_by_role("button", name="Export as one HTML file").click()
    explorer.get_by_role("button", name="Create file").click()
    with explorer.expect_download() as download:
        explorer.get_by_role("button", name="Download (").click()
    assert download.value.suggested_filename == f"{made_run.name}.html"
    sent = tmp_path / "sent.html"
    download.value.save_as(sent)
    context = chromium.new_context(offline=True)
    try:
        shared = context.new_page()
        shared.set_default_timeout(WAIT_MS)
        complaints = complaints_of(shared)
        shared.goto(sent.as_uri())
        shared.wait_for_function("() => window.explorer")
        assert shared.evaluate("() => explorer.selection()") == selected
        rng = np.random.default_rng(2)
        for _ in range(10):
            chosen = random_selection(data, rng)
            offline = shared.evaluate(
                "async (chosen) => { await explorer.select(chosen); return explorer.counts(); }", chosen
            )
            assert offline == explorer.evaluate(SELECT, chosen)
        shared.evaluate("() => explorer.select({panel: 'list'})")
        shared.locator(".px-line").first.click()
        shared.locator(".px-open").first.click()
        dialog = shared.locator("dialog[open]")
        assert dialog.locator(".px-says").count() == min(len(data.models), SHARED_MODELS)
        assert dialog.locator(".px-wrong").count()
        shared.wait_for_function("() => [...document.querySelectorAll('dialog img')].every((one) => one.naturalWidth)")
        assert complaints == []
    finally:
        context.close()
