"""Charts that stay in place: what the browser is sent, and what it makes of it."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from dashboard.components import plot
from lab.devtools.browser import IN_BROWSER, settle
from probing_core.charts import Theme, profile_chart, to_json
from probing_core.images import read_image
from tests.dashboard.serving import answer


@pytest.mark.parametrize("accepted", ["gzip, br", ""])
def test_plotly_is_served_whole(accepted):
    route, _ = plot.routes()
    assert route.path == f"/{plot.NAME}"
    found = answer(route, headers={"accept-encoding": accepted})
    packed = found.headers.get("content-encoding") == "gzip"
    assert packed == bool(accepted)
    assert (gzip.decompress(found.body) if packed else found.body).decode().endswith(get_plotlyjs())
    assert "immutable" in found.headers["cache-control"]


def test_a_chart_of_a_dark_page_has_an_address_in_light_that_ends_with_its_memory(monkeypatch):
    monkeypatch.setattr(plot, "MAX_LIGHT", 1)
    monkeypatch.setattr(plot, "_light", type(plot._light)())
    _, route = plot.routes()
    rows = pd.DataFrame({"model": ["a"], "group": ["blur"], "value": [0.5], "low": [0.4], "high": [0.6]})
    dark, light = Theme(dark=True), Theme()

    def address(rows: pd.DataFrame) -> str:
        figure = profile_chart(rows, dark)
        return plot._address_in_light(figure, to_json(figure), dark)

    first = address(rows)
    assert address(rows) == first, "else an unchanged chart is drawn again"
    name = {"name": first.removeprefix(f"{plot.LIGHT}/")}
    assert answer(route, name).body == to_json(profile_chart(rows, light))
    address(rows.assign(value=0.6))
    assert answer(route, name).status_code == 404


@pytest.fixture(scope="module")
def opened(server, tab):
    """A chart of the page Confusion in a browser, without a complaint in its console."""
    with tab.visitor() as (page, complaints):
        page.goto(f"{server}/confusion?models=zoo/mae")
        page.locator(".st-key-chart-confusion .main-svg").first.wait_for()
        settle(page)
        yield page
        # Pictures of a selection that is dropped while they are on their way are not there any more.
        assert [words for words in complaints if "/media/" not in words] == []


CHART = "document.querySelector('.st-key-chart-confusion .js-plotly-plot')"


def legend_of(page) -> list[str]:
    return page.evaluate(f"{CHART}._fullData.map((trace) => trace.name)")


@pytest.mark.usefixtures("opened")
class TestInTheBrowser:
    pytestmark = IN_BROWSER

    def test_a_chart_fills_the_room_it_gets(self, opened):
        narrow = opened.evaluate(f"{CHART}._fullLayout.width")
        opened.set_viewport_size({"width": 1600, "height": 900})
        opened.wait_for_function(f"{CHART}._fullLayout.width > {narrow} + 200")
        opened.locator('.st-key-chart-confusion .modebar-btn[data-title="Zoom in"]').click()
        zoomed = opened.evaluate(f"{CHART}.layout.xaxis.range")
        opened.locator('.st-key-chart-confusion .modebar-btn[data-title="Full screen"]').click()
        opened.wait_for_function(f"document.fullscreenElement === {CHART}.parentElement")
        opened.wait_for_function(f"{CHART}._fullLayout.width === window.innerWidth")
        opened.locator('.st-key-chart-confusion .modebar-btn[data-title="Full screen"]').click()
        opened.wait_for_function(
            f"document.fullscreenElement === null && {CHART}._fullLayout.width < window.innerWidth"
        )

        assert opened.evaluate(f"{CHART}.layout.xaxis.range") == zoomed
        opened.locator('.st-key-chart-confusion .modebar-btn[data-title="Reset axes"]').click()

    def test_who_comes_back_finds_the_chart_drawn(self, opened):
        before = legend_of(opened)
        sidebar = opened.get_by_test_id("stSidebarNav")
        sidebar.get_by_role("link", name="Overview", exact=True).click()
        opened.locator(".st-key-chart-leaderboard .main-svg").first.wait_for()
        sidebar.get_by_role("link", name="Confusion", exact=True).click()
        opened.locator(".st-key-chart-confusion .main-svg").first.wait_for()
        settle(opened)
        assert legend_of(opened) == before

    def test_a_saved_picture_has_twice_the_pixels_of_the_screen(self, opened, tmp_path):
        width, height = opened.evaluate(f"[{CHART}.clientWidth, {CHART}.clientHeight]")
        with opened.expect_download() as saved:
            opened.locator('.st-key-chart-confusion .modebar-btn[data-title="Download plot as a PNG"]').click()
        saved.value.save_as(tmp_path / "confusion.png")
        sides = read_image(tmp_path / "confusion.png").shape[:2]
        assert sides[1] == 2 * width
        assert 60 < sides[0] - 2 * height < 300, "the title above it and the source below"

    def test_its_menu_sends_nothing_anywhere(self, opened):
        titles = opened.locator(".st-key-chart-confusion .modebar-btn").evaluate_all(
            "(all) => all.map((b) => b.dataset.title)"
        )
        assert "Download plot as a PNG" in titles
        assert not [title for title in titles if "hare" in title or "loud" in title or "dit" in title]

    def test_a_chart_that_cannot_be_drawn_shows_it_and_is_tried_again(self, opened):
        other = opened.context.new_page()
        other.route(f"**/{plot.NAME}", lambda route: route.abort())
        other.goto(opened.url)
        other.get_by_role("alert").filter(has_text="This chart could not be drawn").first.wait_for()
        other.unroute(f"**/{plot.NAME}")
        other.set_viewport_size({"width": 1000, "height": 800})
        other.locator(".st-key-chart-confusion .main-svg").first.wait_for()
        assert other.get_by_role("alert").filter(has_text="could not be drawn").count() == 0
        other.close()
