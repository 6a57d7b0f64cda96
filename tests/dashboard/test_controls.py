"""What only a real browser has, or what outlives a page: downloads, the back button, the camera, a run in a process."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import psutil
import pytest

from dashboard.components.explorer import MOST_MODELS
from dashboard.jobs import processes
from dashboard.text import QUESTIONS
from lab.devtools.browser import (
    COUNTS,
    EXPLORER_READY,
    IN_BROWSER,
    POLL_MS,
    SELECTION,
    WAIT_MS,
    open_page,
    run_again,
    wait_until_settled,
)
from probing_core.measures.notation import model_title
from probing_core.paths import runs_dir
from probing_core.results import Run, leaderboard
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.data import default_models
from tests.results.explorer.counting import points

pytestmark = [*IN_BROWSER, pytest.mark.slow]

CLASS = "gaussian-blur"

CAMERA_SHOWS = """() => {
  const shown = document.querySelector('[data-testid=stCameraInput] video');
  return shown?.readyState === 4 && shown.currentTime > 1 && [shown.videoWidth, shown.videoHeight];
}"""
"""The size of the camera's picture, once the camera has shown something for a second: it may begin twice."""

IMAGES = 4

MOST_STEPS = 2
"""Steps of the back button that the opening of a page takes at most: as it came, and with what it has written into its
address, all at once."""

LOOK_MS = 1000
"""A visitor looks at a page before the next step back. Streamlit can lose the selections of a page that is left while
it writes them into its address."""


def downloaded(page, button) -> pd.DataFrame:
    """The table that a click on ``button`` downloads."""
    with page.expect_download() as download:
        button.click()
    return pd.read_csv(StringIO(Path(download.value.path()).read_text("utf-8")))


def go_back_to(page, path: str) -> None:
    """Go back to the page at ``path`` from a page that writes its tab to the URL."""
    for _ in range(MOST_STEPS):
        page.wait_for_timeout(LOOK_MS)
        with run_again(page):
            page.go_back()
        if urlsplit(page.url).path == path:
            return
        # The page writes its selections into its address again. After the next step back, Streamlit would write them
        # into the address of that page.
        page.wait_for_url("**part=**")
        wait_until_settled(page)


def test_every_click_on_a_tab_opens_it_and_its_address_and_the_back_button_do(page, server):
    open_page(page, f"{server}/models?part=claims")
    names = [tab.inner_text() for tab in page.get_by_role("tab").all()]
    opened = page.get_by_role("tab", selected=True)
    assert opened.inner_text() == "Claims"
    for name in (names[-1], names[1], "Claims", names[0], names[-1]):
        with run_again(page):
            page.get_by_role("tab", name=name).click()
        assert opened.inner_text() == name
    assert urlsplit(page.url).query.count("part=") == 1
    page.go_back()
    wait_until_settled(page)
    page.wait_for_function(
        "(name) => document.querySelector('[role=tab][aria-selected=true]').innerText === name", arg=names[0]
    )


def test_a_selection_and_a_chart_are_downloaded_and_the_back_button_brings_the_selection_back(page, server, made_run):
    run = Run.open(made_run)
    data = explorer_data(run, default_models(run, MOST_MODELS))
    title = next(one.title for one in data.classes if one.name == CLASS)
    open_page(page, server)
    page.wait_for_function(EXPLORER_READY)
    everything = page.evaluate(SELECTION)
    with run_again(page):
        page.locator(f".px-matrix .px-row[aria-label='{title}']").click()
    chosen, counted = page.evaluate(SELECTION), page.evaluate(COUNTS)
    assert chosen["what"]["rows"] == [CLASS]

    found = (
        downloaded(page, page.get_by_role("button", name="Download CSV", exact=True)).set_index("sample").sort_index()
    )
    expected = points(run, data).query("transform == @CLASS").set_index("sample").sort_index()
    assert len(found) == counted["n"] == len(expected) > 0
    assert list(found.index) == list(expected.index)
    assert set(found["true"]) == {CLASS}
    np.testing.assert_allclose(found["strength"], expected["strength"], rtol=1e-5)
    for model in data.models:
        assert list(found[f"{model.name} prediction"]) == list(expected[model.name])

    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("heading", name=QUESTIONS["Models"], exact=True, level=1).wait_for()
    page.wait_for_url("**/models?**part=**")
    wait_until_settled(page)
    found = downloaded(page, page.locator(".st-key-chart-ranking").get_by_role("button", name="Download CSV"))
    expected = pd.read_csv(StringIO(leaderboard(run, "fine", "seen", False).to_csv(index=False)))
    encoders = found[~found["model"].str.startswith("baseline/")].reset_index(drop=True)
    pd.testing.assert_frame_equal(encoders, expected, check_dtype=False)

    go_back_to(page, "/")
    page.wait_for_function(EXPLORER_READY)
    assert page.evaluate(SELECTION) == chosen
    assert page.evaluate(COUNTS) == counted
    for _ in range(MOST_STEPS):  # on a busy machine the page with the selection is in the history twice
        with run_again(page):
            page.go_back()
        page.wait_for_function(EXPLORER_READY)
        if page.evaluate(SELECTION) == everything:
            break
    assert page.evaluate(SELECTION) == everything


def test_the_back_button_brings_a_selection_back_in_a_slow_browser(page, server):
    """In a slow browser, Streamlit writes the query string of the next page while the URL is that of the explorer. This
    adds an entry to the browser history."""
    open_page(page, server)
    page.wait_for_function(EXPLORER_READY)
    with run_again(page):
        page.locator(".px-matrix .px-row").nth(3).click()
    chosen = page.evaluate(SELECTION)
    browser = page.context.new_cdp_session(page)
    browser.send("Emulation.setCPUThrottlingRate", {"rate": 10})
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Models", exact=True).click()
    page.wait_for_url("**/models?**part=**")
    browser.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    wait_until_settled(page)
    go_back_to(page, "/")
    page.wait_for_function(EXPLORER_READY)
    assert page.evaluate(SELECTION) == chosen
    assert "part=" not in page.url


def test_a_picture_of_the_camera_is_answered_by_every_model(page, server, made_run):
    page.context.grant_permissions(["camera"])
    open_page(page, f"{server}/try")
    page.get_by_text("Use the camera").click()
    width, height = page.wait_for_function(CAMERA_SHOWS, polling=POLL_MS, timeout=WAIT_MS).json_value()
    page.get_by_role("button", name="Take Photo").click()
    page.get_by_text(f"{width:,} × {height:,} pixels").wait_for()
    wait_until_settled(page)
    names = page.locator(".answers tbody th").all_inner_texts()
    assert sorted(names) == sorted(model_title(model) for model in Run.open(made_run).live_models)


@pytest.fixture
def run_name() -> Iterator[str]:
    """Runs started on the page are in the data folder of the server; what the test makes there is removed."""
    name = f"browser-{os.getpid()}"
    yield name
    processes.stop(runs_dir() / name)
    shutil.rmtree(runs_dir() / name, ignore_errors=True)


@pytest.mark.timeout(1800)
def test_a_run_is_started_cancelled_resumed_and_opened(run_name, page, server):  # the page is left before the run goes
    made = runs_dir() / run_name
    open_page(page, f"{server}/evaluate?new-models=baseline/handcrafted&new-groups=blur&new-limit={IMAGES}")
    page.get_by_role("textbox", name="Run name").fill(run_name)
    page.get_by_role("textbox", name="Run name").press("Enter")
    page.get_by_role("button", name="Start run").click()
    row = page.locator(f".st-key-run-{run_name}")
    cancel = row.get_by_role("button", name="Cancel")
    cancel.wait_for()
    report = processes.report_of(made)
    assert report is not None
    worker = psutil.Process(report.pid)
    while not (made / "run.toml").is_file():
        page.wait_for_timeout(POLL_MS)
    worker.suspend()  # it is under way until it is cancelled, however fast the machine
    cancel.click()
    wait_until_settled(page)
    worker.resume()
    row.get_by_text("canceled (completed steps are kept)").wait_for()
    row.get_by_role("button", name="Resume").click()
    row.get_by_text(f"{run_name}: complete").wait_for(timeout=5 * WAIT_MS)
    row.get_by_role("button", name="Open").click()
    page.get_by_role("heading", name=QUESTIONS["Models"], exact=True, level=1).wait_for()
    wait_until_settled(page)
    assert f"run={run_name}" in page.url
    finished = Run.open(made)
    assert finished.images["used"].sum() == IMAGES
    assert list(finished.models["name"]) == ["baseline/handcrafted"]
    assert not finished.scores.empty


def test_a_card_opens_its_transformation_and_the_magnifier_follows_pointer_and_keys(page, server):
    open_page(page, f"{server}/transformations")
    card = page.locator(".st-key-card-fog img")
    card.click(position={"x": 20, "y": 20}, force=True)  # the button of the card covers the image
    views = page.locator(".views")
    views.wait_for()
    wait_until_settled(page)
    assert "transform=fog" in page.url

    def region() -> tuple[float, ...]:
        return tuple(page.locator(".region").first.evaluate("e => [parseFloat(e.style.left), parseFloat(e.style.top)]"))

    box = page.locator(".view").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert region() == pytest.approx((37.5, 37.5), abs=1)
    views.press("ArrowRight")
    assert region() == pytest.approx((40.5, 37.5), abs=1)
    lens = page.locator(".lens img").first
    shown = lens.evaluate(
        "e => [e.offsetLeft / e.parentElement.offsetWidth, e.offsetWidth / e.parentElement.offsetWidth]"
    )
    assert shown == pytest.approx([-4 * 0.405, 4], abs=0.05), "the lens shows the region, four times as large"
    slider = page.get_by_role("slider", name="Strength: thickness")
    transformed = page.locator(".view img.transformed")
    before = transformed.get_attribute("src")
    slider.press("End")
    page.wait_for_function("before => document.querySelector('.view img.transformed')?.src !== before", arg=before)
    page.wait_for_url(re.compile("strength=12"))
