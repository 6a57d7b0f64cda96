"""A journey in headless Chromium: is my photograph untouched, and which pictures of this folder are not."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from dashboard.views.scan import scans_dir

from lab.devtools.browser import IN_BROWSER, rest, settle
from probing_core.corpora import open_corpus
from probing_core.images import encode_png
from probing_core.transforms import resolve

pytestmark = IN_BROWSER

UNTOUCHED, BLURRED = "untouched.png", "blurred.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A photograph, and the same blurred."""
    folder = tmp_path_factory.mktemp("photographs")
    photograph = cv2.resize(open_corpus("photos").load("chelsea/05"), (150, 150), interpolation=cv2.INTER_AREA)
    blurred = resolve("gaussian-blur").apply(photograph, 3.0, np.random.default_rng(0))
    for name, picture in ((UNTOUCHED, photograph), (BLURRED, blurred)):
        (folder / name).write_bytes(encode_png(picture))
    return folder


@pytest.fixture
def scan_name() -> Iterator[str]:
    """Scans started on the page lie in the data folder of the server; what the test makes there is removed."""
    name = f"journey-{os.getpid()}"
    yield name
    shutil.rmtree(scans_dir() / name, ignore_errors=True)


@pytest.fixture(scope="module")
def page(detecting_run, server, tab):
    with tab.visitor() as (page, complaints):
        page.goto(f"{server}/try?models=baseline/pixels&run={detecting_run.name}")
        page.get_by_role("heading", name="Try your images", exact=True, level=1).wait_for()
        settle(page)
        yield page
        assert complaints == []


def answer(page):
    alert = page.locator(".st-key-answer").get_by_test_id("stAlert").first
    return alert.get_by_test_id("stMarkdownContainer")  # without the icon


def test_an_untouched_photograph_reads_as_untouched_and_blurred_as_blur(page, folder):
    field = page.get_by_test_id("stFileUploaderDropzoneInput").first
    field.set_input_files([str(folder / UNTOUCHED), str(folder / BLURRED)])
    page.get_by_text(f"{UNTOUCHED}, 150").wait_for()
    rest(page)  # a page that moves closes its open lists
    assert answer(page).inner_text().startswith("Untouched")
    page.get_by_role("combobox", name="Card of").click()
    page.get_by_role("option", name=BLURRED).click()
    page.get_by_text(f"{BLURRED}, 150").wait_for()
    settle(page)
    assert answer(page).inner_text().startswith("Altered: blur")
    # What every model answers stands under the verdict, its bar as long as it is sure.
    row = page.locator(".st-key-answer .answers tbody tr").filter(has_text="baseline/pixels")
    words = row.locator(".words").inner_text()
    track, bar = (row.locator(part).bounding_box()["width"] for part in (".track", ".track i"))
    assert bar / track == pytest.approx(float(words.split()[-2]) / 100, abs=0.01)
    assert page.get_by_test_id("stException").count() == 0


def test_a_click_on_a_row_opens_its_card(page):
    table = page.locator(".st-key-pictures canvas").first.bounding_box()
    page.mouse.click(table["x"] + 12, table["y"] + 35 + 17)  # the box of the first row, below the header
    page.get_by_text(f"{UNTOUCHED}, 150").wait_for()
    settle(page)
    assert answer(page).inner_text().startswith("Untouched")


def test_an_example_is_one_click(page, server, detecting_run):
    page.goto(f"{server}/try?run={detecting_run.name}")
    rest(page)
    page.get_by_role("button", name="blur", exact=True).click()
    page.get_by_text("example: blur, ").wait_for()
    settle(page)
    assert answer(page).inner_text().startswith("Altered: blur")


def test_a_folder_of_both_is_scanned_and_its_table_downloaded(page, folder, scan_name):
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Scan", exact=True).click()
    page.get_by_role("heading", name="Scan", exact=True, level=1).wait_for()
    settle(page)
    page.get_by_label("Folder", exact=True).fill(str(folder))
    page.get_by_role("textbox", name="Name of the scan").fill(scan_name)
    page.get_by_role("textbox", name="Name of the scan").press("Enter")
    page.get_by_role("button", name="Start").and_(page.locator(":enabled")).click()
    scan = page.locator(f".st-key-scan-of-{scan_name}")
    scan.get_by_text("complete").wait_for()
    rest(page)
    if not scan.get_by_text("Data as CSV").count():  # open at once where the page saw the scan run
        scan.get_by_text("Results").click()
    scan.get_by_text("1 untouched, 1 altered").or_(scan.get_by_text("1 altered, 1 untouched")).wait_for()
    rest(page)  # a table that comes late moves what is below it, away from under a click
    with page.expect_download() as download:
        scan.get_by_text("Data as CSV").click()
    table = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes())).set_index("path")
    assert table["verdict"].to_dict() == {UNTOUCHED: "untouched", BLURRED: "altered"}
    assert table.loc[BLURRED, "group"] == "blur"
    assert table["p"].between(0, 1).all()
    with page.expect_download() as download:
        scan.get_by_text("The page with thumbnails").click()
    assert UNTOUCHED in Path(download.value.path()).read_text()
    assert page.get_by_test_id("stException").count() == 0
