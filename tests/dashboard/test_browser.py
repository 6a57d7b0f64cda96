"""Every page and tab in headless Chromium over the made run: no exception, nothing in the console, no serious finding
of axe, nothing that jumps, nothing wider than a phone.

All in one tab, which need not compile the scripts for each page.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from dashboard.text import FORMER, PAGES
from lab.devtools.browser import ADDRESSES, IN_BROWSER, JUMPS, WINDOW, jumped, open_page, served, wait_until_settled
from lab.scripts.page_findings import check, overflow_of, violations_of

pytestmark = IN_BROWSER

PHONE = 390
TRIES = 3
"""A page whose parts come late because other processes have the machine is looked at again."""

EMPTY_TRIES = 8

MOST_JUMPS = 0.05
"""Cumulative layout shift of a page at most above that of an empty page."""

EMPTY = """
import streamlit as st

st.set_page_config(layout="wide")
st.sidebar.text("A sidebar")
st.title("Empty")
"""


@pytest.fixture(scope="module")
def empty(tab, tmp_path_factory) -> float:
    """The largest layout shift of an empty page of Streamlit with a sidebar.

    It takes one of two values, 0.23 or 0.30, and often the same one several times in a row.
    """
    script = tmp_path_factory.mktemp("empty") / "app.py"
    script.write_text(EMPTY)
    by = ("streamlit", "run", str(script), "--server.address={host}", "--server.port={port}")
    with served(by=by) as address, tab.visitor() as (page, _):
        page.add_init_script(JUMPS)
        return max(shift_of(page, address) for _ in range(EMPTY_TRIES))


def shift_of(page, address: str) -> float:
    """Open ``address`` and return its layout shift until it is at rest."""
    page.goto("about:blank")
    open_page(page, address)
    return jumped(page)


TABS_OUT_OF_VIEW = """() => [...document.querySelectorAll('[role=tab]')]
  .filter((tab) => tab.getBoundingClientRect().right > window.innerWidth).map((tab) => tab.textContent)"""
"""Expression for the titles of all tabs that are not visible without scrolling."""


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_opens_without_a_complaint(name, server, tab, empty):
    address = f"{server}/{ADDRESSES[name]}"
    with tab.visitor() as (page, complaints):
        page.add_init_script(JUMPS)
        shifts = []
        for _ in range(TRIES):
            shifts.append(shift_of(page, address))
            if shifts[-1] <= empty + MOST_JUMPS:
                break
        assert page.get_by_test_id("stException").all_inner_texts() == []
        assert violations_of(page) == []
        page.set_viewport_size({"width": PHONE, "height": WINDOW["height"]})
        wait_until_settled(page)
        assert overflow_of(page) == 0
        assert page.evaluate(TABS_OUT_OF_VIEW) == []
        assert complaints == []
        assert min(shifts) <= empty + MOST_JUMPS, shifts


def test_a_former_address_opens_what_took_its_place_with_its_choices(server, tab):
    """One of each kind: a page or a tab that was replaced by a page or a tab. `test_serving` looks at all of them."""
    kinds = {("?" in before, "?" in now): (before, now) for before, now in FORMER.items()}
    pages = {one.address: one.question for under in PAGES.values() for one in under}
    with tab.visitor() as (page, complaints):
        for before, now in kinds.values():
            address, _, part = now.partition("?")
            page.goto(f"{server}/{before}{'&' if '?' in before else '?'}run=made&models=baseline/pixels")
            page.get_by_role("heading", name=pages[address], exact=True, level=1).wait_for()
            wait_until_settled(page)
            opened = urlsplit(page.url)
            assert opened.path == f"/{address}"
            choices = dict(parse_qsl(opened.query))
            assert choices.items() >= {**dict(parse_qsl(part)), "run": "made"}.items()
            assert choices["models"].startswith("baseline/pixels")
        assert complaints == []


def test_it_finds_what_is_wrong(tab):
    """Every check can fail: an error of a script and one in the console, a picture without words, pale text, a jump,
    something wide; Streamlit's own miss is none."""
    with tab.visitor() as (page, complaints):
        page.set_content(
            "<html lang=en><title>x</title><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p>"
            f"<p id=low style='width:1500px;height:300px'>low</p><script>{JUMPS}"
            "console.error('404 /_stcore/health'); console.error('logged'); throw new Error('thrown')</script>"
        )
        page.wait_for_timeout(100)
        page.evaluate("document.body.prepend(Object.assign(document.createElement('div'), {style: 'height: 300px'}))")
        page.wait_for_timeout(100)
        assert len(complaints) == 2
        assert jumped(page) > MOST_JUMPS
        assert {"image-alt", "color-contrast"} <= {rule for rule, _ in violations_of(page)}
        assert overflow_of(page, timeout_ms=100) >= 1500 - WINDOW["width"]


def test_visitors_from_elsewhere_read_what_is_locked(made_run, tab):
    with served(["--run", str(made_run)], host="0.0.0.0") as shared, tab.visitor() as (page, complaints):
        for address, what in (("try?part=folder", "Scanning a folder"), ("evaluate", "Starting a run")):
            page.goto(f"{shared}/{address}")
            page.get_by_text(f"{what} is not available to visitors").wait_for()
            wait_until_settled(page)
            for control in ("Rank my model", "Start run", "Resume", "Cancel", "Delete"):
                assert not page.get_by_role("button", name=control, exact=True).count()
            assert not violations_of(page)
        assert not complaints


@pytest.mark.slow
def test_page_findings_looks_at_each_width_and_finds_nothing(made_run):
    views = dict(check(["--run", str(made_run)], ["methods"], [820, PHONE], ["dark"]))
    assert list(views) == ["methods-820-dark", f"methods-{PHONE}-dark"]
    assert not [found for found in views.values() if any(found.values())]


ROWS = """() => {
  const center = (element) => { const box = element.getBoundingClientRect(); return (box.top + box.bottom) / 2; };
  const visible = (one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true});
  return [...document.querySelectorAll('.row-labels span, .st-key-heat-map .ytick text')].filter(visible)
    .map((one) => [one.textContent.trim(), center(one), one.getBoundingClientRect().left]);
}"""
"""Expression for the text, vertical center and left edge of all visible row labels of a heat map."""

CENTERS = (
    "() => [...document.querySelectorAll('.st-key-heat-map .ytick text')].map((one) => {"
    "const box = one.getBoundingClientRect(); return [one.textContent.trim(), (box.top + box.bottom) / 2]; })"
)
"""Expression for the text and vertical center of the chart's own row labels, which may be hidden."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heat_map_shows_each_row_label_once_also_when_scrolled(server, tab, scheme):
    with tab.visitor() as (page, _):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server}/{ADDRESSES['models-transformations']}")
        page.locator(".st-key-heat-map .hm").first.wait_for(state="attached")
        box = page.locator(".st-key-heat-map")
        for width in (1400, 820, PHONE):
            page.set_viewport_size({"width": width, "height": WINDOW["height"]})
            wait_until_settled(page)
            rows = dict(page.evaluate(CENTERS))
            assert len(rows) > 20
            box.evaluate("(element) => element.scrollTo(element.scrollWidth, 0)")
            scrolled = box.evaluate("(element) => element.scrollLeft")
            assert (scrolled > 100) == (width == PHONE) or width == 820
            labels = page.evaluate(ROWS)
            assert sorted(text for text, _, _ in labels) == sorted(rows), "each label is visible once"
            assert {text: center for text, center, _ in labels} == pytest.approx(rows, abs=3)
            left = box.bounding_box()["x"]
            assert all(left - 1 <= at for _, _, at in labels), "no label is scrolled out of view"


SCROLLED = "document.querySelector('[data-testid=stMain]').scrollTop"


def test_transformation_opened_from_the_end_of_the_gallery_starts_at_the_top(server, tab):
    with tab.visitor() as (page, _):
        page.goto(f"{server}/transformations")
        wait_until_settled(page)
        card = page.locator("[class*=st-key-open-] button").last
        card.scroll_into_view_if_needed()
        assert page.evaluate(SCROLLED) > 100
        card.click()
        page.wait_for_function(f"() => {SCROLLED} === 0")


def test_layers_reserve_the_space_of_charts_whose_script_is_late(server, studied_run, tab):
    """Without its chart, as before the script of the chart is loaded, the page has the same layout."""
    with tab.visitor() as (page, _):
        page.goto(f"{server}/layers?run={studied_run.name}")
        page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
        wait_until_settled(page)
        caption = page.get_by_text("Hover over a line")
        before = caption.bounding_box()
        page.add_style_tag(content="[data-testid=stVegaLiteChart] { display: none; }")
        page.wait_for_timeout(100)
        assert caption.bounding_box() == before


def test_copy_link_copies_the_address_with_the_selections_of_the_page(server, tab):
    with tab.visitor() as (page, complaints):
        tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{server}/models?a=zoo/mae&part=compare")
        wait_until_settled(page)
        button = page.get_by_role("button", name="Copy link")
        button.click()
        page.get_by_role("button", name="Link copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.url
        assert {"a": "zoo/mae", "part": "compare"}.items() <= dict(parse_qsl(urlsplit(copied).query)).items()
        assert complaints == []
