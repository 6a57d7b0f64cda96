"""A phone, paper and the clipboard: pages and charts where they are not on a wide screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.devtools.browser import IN_BROWSER, WAIT_MS, complaints_of, rest
from probing_core.images import read_image

pytestmark = IN_BROWSER

PHONE = {"width": 390, "height": 844}
COPY = '.st-key-chart-confusion .modebar-btn[data-title="Copy as a picture"]'
COPIED = """async () => {
  const [item] = await navigator.clipboard.read();
  const picture = await createImageBitmap(await item.getType('image/png'));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const pen = canvas.getContext('2d');
  pen.drawImage(picture, 0, 0);
  const pixels = (top, high) => pen.getImageData(0, top, picture.width, high).data;
  const darkest = (top, high) => Math.min(...pixels(top, high).filter((_, i) => i % 4 === 1));
  return {
    size: [picture.width, picture.height],
    corner: [...pixels(1, 1).slice(4, 8)],
    title: darkest(0, 60),
    source: darkest(picture.height - 50, 50),
  };
}"""
"""The picture on the clipboard: its pixels, the color of its corner, and the darkest pixel of its words."""


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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_is_copied_by_keyboard_with_its_title_and_source_in_light_colors(visit, tab, theme):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.emulate_media(color_scheme=theme)
    page = visit("confusion?models=baseline/pixels")
    page.wait_for_selector(COPY)
    page.locator(".st-key-chart-confusion .modebar-btn").first.focus()
    for _ in range(10):  # the arrows go through the menu
        if page.evaluate("document.activeElement.dataset.title") == "Copy as a picture":
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator(".st-key-chart-confusion [role=status]").filter(has_text="Copied").wait_for()
    copied = page.evaluate(COPIED)
    width, height = layout_of(page, "confusion", "width"), layout_of(page, "confusion", "height")
    assert copied["size"][0] == 2 * width, "twice as sharp"
    assert 60 < copied["size"][1] - 2 * height < 300, "the title above it and the source below"
    assert copied["corner"] == [255, 255, 255, 255]
    assert copied["title"] < 60
    assert copied["source"] < 140


def test_a_chart_is_saved_where_it_cannot_be_copied(visit, tmp_path):
    page = visit("confusion?models=baseline/pixels")
    page.wait_for_selector(COPY)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    with page.expect_download() as saved:
        page.locator(COPY).click()
    assert saved.value.suggested_filename == "confusion.png"
    saved.value.save_as(tmp_path / "confusion.png")
    assert read_image(tmp_path / "confusion.png").shape[1] == 2 * layout_of(page, "confusion", "width")
    page.locator(".st-key-chart-confusion [role=status]").filter(has_text="saved as confusion.png").wait_for()


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
