"""A phone, paper and the clipboard: pages and charts where they are not on a wide screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devtools.browser import IN_BROWSER, WAIT_MS, complaints_of, rest

pytestmark = IN_BROWSER

PHONE = {"width": 390, "height": 844}
COPY = '.st-key-chart-confusion .modebar-btn[data-title="Copy as a picture"]'
COPIED = """async () => {
  const [item] = await navigator.clipboard.read();
  const picture = await createImageBitmap(await item.getType('image/png'));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const pen = canvas.getContext('2d');
  pen.drawImage(picture, 0, 0);
  return [picture.width, picture.height, pen.getImageData(1, 1, 1, 1).data[3]];
}"""


def open_view(page: Any, address: str) -> None:
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    rest(page)


@pytest.fixture
def visit(server, tab) -> Iterator[Any]:
    """``visit(VIEW)`` opens a page as a new visitor; nothing may have complained when a test ends."""
    with tab.visitor() as (page, complaints):

        def open_page(view: str) -> Any:
            open_view(page, f"{server}/{view}")
            return page

        yield open_page
        assert not complaints


@pytest.fixture
def phone(chromium) -> Iterator[Any]:
    """A page of a browser that is used with a finger; nothing may have complained when a test ends."""
    context = chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    complaints = complaints_of(page)
    yield page
    context.close()
    assert not complaints


def layout_of(page: Any, chart: str, field: str) -> Any:
    page.wait_for_selector(f".st-key-chart-{chart} .main-svg")
    return page.evaluate(f"document.querySelector('.st-key-chart-{chart} .js-plotly-plot')._fullLayout.{field}")


def test_a_phone_shows_the_finding_first_and_its_finger_scrolls(phone, server):
    page = phone
    open_view(page, server)
    found, chart = page.locator(".st-key-finding"), page.locator(".st-key-chart-leaderboard")
    assert "knows most about how a picture was changed" in found.inner_text()
    end = found.bounding_box()["y"] + found.bounding_box()["height"]
    assert end < PHONE["height"]
    assert end < chart.bounding_box()["y"]
    assert layout_of(page, "leaderboard", "dragmode") is False
    page.get_by_test_id("stExpandSidebarButton").tap()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Map", exact=True).tap()
    page.get_by_role("heading", name="Map", exact=True, level=1).wait_for()


def test_panels_stand_one_below_the_other_on_a_phone_and_side_by_side_when_it_is_wide(visit, tab):
    tab.page.set_viewport_size(PHONE)
    page = visit("map?models=zoo/mae,baseline/pixels&color=group")
    assert layout_of(page, "star", "xaxis2.domain") == [0, 1]
    upper, lower = layout_of(page, "star", "yaxis.domain"), layout_of(page, "star", "yaxis2.domain")
    assert lower[1] < upper[0]
    tall = layout_of(page, "star", "height")
    page.wait_for_selector(".probing-map[data-points]")
    first, second = (field.bounding_box() for field in page.locator(".probing-map .field").all())
    assert first["y"] + first["height"] < second["y"]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function(
        "document.querySelector('.st-key-chart-star .js-plotly-plot')._fullLayout.xaxis2.domain[0] > 0.3"
    )
    assert layout_of(page, "star", "height") < tall
    first, second = (field.bounding_box() for field in page.locator(".probing-map .field").all())
    assert first["x"] + first["width"] < second["x"]


def test_a_chart_is_copied_by_keyboard_and_where_that_is_not_permitted_a_sentence_names_the_other_way(visit, tab):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit("confusion?models=baseline/pixels")
    page.wait_for_selector(COPY)
    page.locator(".st-key-chart-confusion .modebar-btn").first.focus()
    for _ in range(10):  # the arrows go through the menu
        if page.evaluate("document.activeElement.dataset.title") == "Copy as a picture":
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    status = page.locator(".st-key-chart-confusion [role=status]")
    status.filter(has_text="Copied").wait_for()
    width, height = layout_of(page, "confusion", "width"), layout_of(page, "confusion", "height")
    assert page.evaluate(COPIED) == [2 * width, 2 * height, 255], "twice as sharp, on a background"
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.locator(COPY).click()
    status.filter(has_text="lets no picture be copied").wait_for()


def test_a_printed_page_is_whole_and_has_nothing_to_click(visit):
    page = visit("")
    page.wait_for_selector(".st-key-chart-leaderboard .main-svg")
    page.emulate_media(media="print")
    for hidden in ("[data-testid=stSidebar]", ".st-key-chart-leaderboard .stDownloadButton", ".modebar-container"):
        assert not page.locator(hidden).first.is_visible()
    last = page.get_by_role("heading", name="The five claims").bounding_box()
    assert last["y"] > 900
    assert page.evaluate("document.documentElement.scrollHeight") > last["y"], "paper has no scroll bar"
    assert page.locator(".st-key-finding").bounding_box()["x"] < 60
