"""Controls that only a real browser has, or that outlive a page: downloads, the camera, a slider, a run in a worker."""

from __future__ import annotations

import re
import shutil
from io import StringIO

import pandas as pd
import pytest

from dashboard.data.previews import FAINTER
from lab.devtools.browser import IN_BROWSER, WAIT_MS, rest, settle
from probing_core.images import encode_png, read_image
from probing_core.paths import runs_dir
from tests.conftest import scene

pytestmark = IN_BROWSER

NAME = "made-by-a-browser-test"
IMAGES = 8
"""Enough for some seconds: it is cancelled meanwhile."""


@pytest.fixture
def visit(server, tab):
    """Opens an address of the dashboard as a new visitor; nothing may have complained when the test ends."""
    with tab.visitor() as (page, complaints):

        def open_page(where: str):
            page.goto(f"{server}/{where}")
            page.get_by_role("heading", level=1).first.wait_for()
            rest(page)
            return page

        yield open_page
        assert page.get_by_test_id("stException").count() == 0
        assert complaints == []


def test_a_closed_tour_stays_away_from_the_next_visit_until_it_is_called(visit):
    page = visit("")
    page.get_by_text("1 of 5 · Overview").wait_for()
    visit("").get_by_text("1 of 5 · Overview").wait_for()  # nobody has closed it
    page.get_by_role("button", name="Close the tour").click()
    page.get_by_role("button", name="Show the tour").wait_for()
    page.wait_for_function("document.cookie.includes('probing_tour=closed')")
    visit("").get_by_role("button", name="Show the tour").click()
    page.get_by_text("1 of 5 · Overview").wait_for()


def test_a_chart_is_downloaded_as_data_and_as_a_picture(visit, tmp_path):
    page = visit("confusion?models=baseline/pixels")
    chart = page.locator(".st-key-chart-confusion")
    with page.expect_download() as table:
        chart.get_by_role("button", name="Data as CSV").click()
    table.value.save_as(tmp_path / "data.csv")
    rows = pd.read_csv(StringIO((tmp_path / "data.csv").read_text(encoding="utf-8")))
    assert table.value.suggested_filename == "confusion.csv"
    assert len(rows) >= 31
    chart.locator(".nsewdrag").first.hover()
    with page.expect_download() as picture:
        chart.locator('[data-title^="Download plot"]').click()
    picture.value.save_as(tmp_path / "chart.png")
    height, width = read_image(tmp_path / "chart.png").shape[:2]
    assert picture.value.suggested_filename == "confusion.png"
    assert min(height, width) > 600


def test_a_picture_of_the_camera_is_predicted(visit, tab):
    tab.context.grant_permissions(["camera"])
    page = visit("try")
    page.get_by_text("Use the camera").click()
    for _ in range(2):  # the camera shows something, which it begins to do twice
        page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
        page.wait_for_timeout(1000)
    page.get_by_role("button", name="Take Photo").click()
    page.locator(".answers tbody tr").filter(has_text="baseline/pixels").first.wait_for()
    settle(page)
    assert page.locator(".st-key-answer").count() == 1


def test_the_strength_is_moved_by_the_keyboard_and_goes_into_the_address(visit):
    page = visit("explore?transform=gaussian-blur")
    label = page.get_by_text(re.compile(r"^sigma [\d.]+ px$"))
    label.wait_for()
    before = label.inner_text()
    page.get_by_role("slider", name="Strength").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_text(before, exact=True).wait_for(state="detached")
    assert float(label.inner_text().split()[1]) > float(before.split()[1])
    step = int(page.get_by_role("slider", name="Strength").input_value()) - len(FAINTER)  # counted from the weakest
    page.wait_for_url(re.compile(rf"[?&]strength={step}(&|$)"))  # of the last step
    settle(page)
    after = label.inner_text()
    page.goto(page.url)  # as somebody does who was sent the link
    page.get_by_text(after, exact=True).wait_for()


def test_pictures_follow_the_slider_before_it_is_released(visit):
    page = visit("explore?transform=gaussian-blur")
    address = page.url
    slider, picture = page.get_by_role("slider", name="Strength"), page.locator(".strength:not(.waiting) .after")

    def move(step: int) -> str:
        """As while it is dragged; the words beside it."""
        slider.evaluate("(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }", step)
        picture.wait_for()  # it is there, or comes
        shown.append(picture.get_attribute("src"))
        return page.locator(".strength output").inner_text()

    shown: list[str] = []
    words = [move(step) for step in (12, 0, 6, 12)]  # the first at once, when most pictures are still to be fetched
    assert words[0] == words[3]
    assert shown[0] == shown[3]
    assert len(set(words)) == len(set(shown)) == 3
    settle(page)
    assert page.url == address, "the server gets the step when the slider is released"


@pytest.mark.timeout(1800)
def test_a_run_is_started_cancelled_resumed_and_opened(visit, tmp_path):
    folder, made = tmp_path / "pictures", runs_dir() / NAME
    folder.mkdir()
    for i in range(IMAGES):
        (folder / f"{i}.png").write_bytes(encode_png(scene(i, 180)))
    shutil.rmtree(made, ignore_errors=True)
    try:
        page = visit("new-run?new-models=baseline/handcrafted&new-groups=blur,color")
        page.get_by_role("textbox", name="Name of the run").fill(NAME)
        page.get_by_role("textbox", name="Corpus", exact=True).fill(f"folder:{folder}")
        page.keyboard.press("Enter")
        page.get_by_test_id("stMetric").filter(has_text="Images").get_by_text(f"{IMAGES}", exact=True).wait_for()
        page.get_by_role("button", name="Start").click()
        row = page.locator(f".st-key-run-{NAME}")
        for _ in range(1200):  # before it has a recipe, there is nothing to go on with
            if (made / "run.toml").is_file():
                break
            page.wait_for_timeout(50)
        row.get_by_role("button", name="Cancel").click()
        row.get_by_text("cancelled; what is complete stays").wait_for()
        row.get_by_role("button", name="Resume").click()
        row.get_by_text("— complete").wait_for(timeout=5 * WAIT_MS)  # a whole run
        row.get_by_role("button", name="Open").click()
        page.get_by_role("heading", name="What does your image embedding know?").wait_for()
        settle(page)
        assert f"run={NAME}" in page.url
        page.get_by_text("baseline/handcrafted").first.wait_for()
    finally:
        shutil.rmtree(made, ignore_errors=True)
