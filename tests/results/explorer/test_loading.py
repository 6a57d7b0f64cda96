"""How the explorer loads models: over a slow network, and over one that fails."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

from lab.devtools.browser import IN_BROWSER

pytestmark = IN_BROWSER

MENU = "() => document.querySelector('.px-map-a select').value"
SHOWN = "() => explorer.models[0].name"


def select_model(page, slot: str, name: str) -> None:
    page.locator(f".px-map-{slot} select").select_option(name)


def finish(page, index: int, how: str) -> None:
    """Answer a request, or let it fail, and wait until that has had its effect."""
    page.evaluate("([index, how]) => requests[index][how]()", [index, how])
    page.wait_for_timeout(50)


def test_failed_load_restores_the_menu_and_can_be_repeated(page):
    before = page.evaluate(SHOWN)
    select_model(page, "a", "baseline/pixels")
    finish(page, 0, "fail")
    assert page.evaluate(SHOWN) == page.evaluate(MENU) == before
    alert = page.get_by_role("alert")
    assert "Pixels" in alert.inner_text()
    select_model(page, "a", "baseline/pixels")
    finish(page, 1, "answer")
    assert page.evaluate(SHOWN) == page.evaluate(MENU) == "baseline/pixels"
    assert not alert.is_visible()


def test_last_selected_model_is_shown_whichever_arrives_first(page):
    select_model(page, "a", "baseline/pixels")
    select_model(page, "b", "baseline/handcrafted")
    select_model(page, "a", "baseline/handcrafted")
    finish(page, 1, "answer")  # handcrafted, which both menus ask for
    finish(page, 0, "answer")  # pixels, which the visitor does not want any more
    assert page.evaluate("() => explorer.models.map((one) => one.name)") == ["baseline/handcrafted"] * 2
    assert page.evaluate(MENU) == "baseline/handcrafted"


def test_late_failure_of_an_earlier_model_changes_nothing(page):
    select_model(page, "a", "baseline/pixels")
    select_model(page, "a", "baseline/handcrafted")
    finish(page, 1, "answer")
    finish(page, 0, "fail")
    assert page.evaluate(SHOWN) == page.evaluate(MENU) == "baseline/handcrafted"
    assert not page.get_by_role("alert").is_visible()


def test_restored_selection_replaces_a_model_that_is_still_loading(page):
    select_model(page, "a", "baseline/pixels")
    page.evaluate("() => explorer.select({a: 'zoo/mae', b: 'zoo/mae'})")
    finish(page, 0, "answer")
    assert page.evaluate(SHOWN) == page.evaluate(MENU) == "zoo/mae"


def test_failed_restored_selection_keeps_the_view(page):
    before = page.evaluate(SHOWN)
    page.evaluate("() => void explorer.select({a: 'baseline/pixels'})")
    finish(page, 0, "fail")
    assert page.evaluate(SHOWN) == page.evaluate(MENU) == before
    assert "Pixels" in page.get_by_role("alert").inner_text()


def test_dialog_without_a_network_says_what_is_missing(page):
    page.evaluate("() => explorer.open(3)")
    count = page.evaluate("() => requests.length")
    assert count == 4  # two models, and the neighbors of both maps
    for index in range(count):
        finish(page, index, "fail")
    text = page.locator("dialog").inner_text()
    assert text.count("could not be loaded") == 3
    page.keyboard.press("Escape")
    page.evaluate("() => explorer.open(3)")
    for index in range(count, 2 * count):
        finish(page, index, "answer")
    assert "could not be loaded" not in page.locator("dialog").inner_text()


def test_download_without_a_network_says_so(page):
    page.get_by_role("button", name="Download CSV").click()
    for index in range(2):
        finish(page, index, "fail")
    assert "could not be loaded" in page.get_by_role("alert").inner_text()


def test_smoothed_grid_equals_scipy(page):
    side = 9
    grid = np.random.default_rng(0).random((side, side)).astype(np.float32)
    found = page.evaluate("([grid, side]) => Array.from(functions.smoothed(Float32Array.from(grid), side))",
                          [grid.ravel().tolist(), side])  # fmt: skip
    expected = grid.astype(float)
    for axis in (1, 0, 1, 0):
        expected = correlate1d(expected, np.array([1, 4, 6, 4, 1]) / 16, axis, mode="constant")
    np.testing.assert_allclose(np.reshape(found, (side, side)), expected, rtol=1e-5)
