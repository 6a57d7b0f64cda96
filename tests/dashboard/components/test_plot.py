"""Charts that stay in place: what the browser is sent, and what it makes of it."""

from __future__ import annotations

import gzip

import pytest
from plotly.offline import get_plotlyjs

from dashboard.components import plot
from devtools.browser import IN_BROWSER, settle
from devtools.drawing import choose_tool, draw
from probing_core.images import read_image
from tests.dashboard.serving import answer


@pytest.mark.parametrize("accepted", ["gzip, br", ""])
def test_plotly_is_served_whole(accepted):
    (route,) = plot.routes()
    assert route.path == f"/{plot.NAME}"
    found = answer(route, headers={"accept-encoding": accepted})
    packed = found.headers.get("content-encoding") == "gzip"
    assert packed == bool(accepted)
    assert (gzip.decompress(found.body) if packed else found.body).decode().endswith(get_plotlyjs())
    assert "immutable" in found.headers["cache-control"]


@pytest.fixture(scope="module")
def opened(server, tab):
    """The map in a browser, without a complaint in its console."""
    with tab.visitor() as (page, complaints):
        page.goto(f"{server}/map?models=zoo/mae&color=group")
        page.locator(".st-key-chart-map .main-svg").first.wait_for()
        settle(page)
        yield page
        # Pictures of a selection that is dropped while they are on their way are not there any more.
        assert [words for words in complaints if "/media/" not in words] == []


CHART = "document.querySelector('.st-key-chart-map .js-plotly-plot')"


def legend_of(page) -> list[str]:
    return page.evaluate(f"{CHART}._fullData.map((trace) => trace.name)")


@pytest.mark.usefixtures("opened")
class TestInTheBrowser:
    pytestmark = IN_BROWSER

    def test_another_coloring_changes_the_chart_and_keeps_its_zoom_and_tool(self, opened):
        groups = legend_of(opened)
        opened.evaluate(f"{CHART}.marked = true")
        opened.locator('.st-key-chart-map .modebar-btn[data-title="Zoom in"]').click()
        choose_tool(opened, "map", "lasso")
        zoomed = opened.evaluate(f"{CHART}.layout.xaxis.range")
        opened.get_by_role("radio", name="right or wrong", exact=True).or_(
            opened.get_by_role("button", name="right or wrong", exact=True)
        ).first.click()
        opened.wait_for_function(f"{CHART}._fullData.some((trace) => trace.name === 'right')")
        assert "right" not in groups
        layout = opened.evaluate(f"[{CHART}.marked, {CHART}.layout.xaxis.range, {CHART}.layout.dragmode]")
        assert layout == [True, zoomed, "lasso"]
        opened.locator('.st-key-chart-map .modebar-btn[data-title="Reset axes"]').click()

    def test_one_enclosure_follows_another_and_is_cleared(self, opened):
        choose_tool(opened, "map", "lasso")
        for _ in range(2):
            draw(opened, "map")
            opened.mouse.up()
            opened.get_by_role("heading", name=" of 512 samples").wait_for()
            opened.wait_for_function(f"!({CHART}.layout.selections || []).length")
            assert opened.evaluate(f"{CHART}.data.reduce((n, t) => n + (t.selectedpoints?.length || 0), 0)") > 0
            opened.get_by_role("button", name="Clear", exact=True).click()
            opened.get_by_text("Nothing is selected.").wait_for()
            opened.wait_for_function(f"{CHART}.data.every((trace) => !trace.selectedpoints)")

    def test_an_enclosure_of_nothing_leaves_no_trace(self, opened):
        choose_tool(opened, "map", "lasso")
        box = opened.locator(".st-key-chart-map .nsewdrag").first.bounding_box()
        opened.mouse.move(box["x"] + 2, box["y"] + 2)
        opened.mouse.down()
        for step in ((8, 2), (8, 8), (2, 8), (2, 3)):
            opened.mouse.move(box["x"] + step[0], box["y"] + step[1], steps=4)
        opened.mouse.up()
        opened.wait_for_timeout(1000)
        settle(opened)
        assert opened.evaluate(f"({CHART}.layout.selections || []).length") == 0
        assert opened.evaluate(f"{CHART}._fullData.every((trace) => trace.selectedpoints === undefined)")

    def test_what_was_hidden_hides_nothing_else(self, opened):
        def color_by(words: str, trace: str) -> None:
            button = opened.get_by_role("button", name=words, exact=True)
            opened.get_by_role("radio", name=words, exact=True).or_(button).first.click()
            opened.wait_for_function(f"{CHART}._fullData.some((trace) => trace.name === '{trace}')")

        color_by("group", "blur")
        opened.locator(".st-key-chart-map .legendtoggle").nth(1).click()
        opened.wait_for_function(f"{CHART}._fullData[1].visible === 'legendonly'")
        color_by("transformation", "jpeg")
        assert opened.evaluate(f"{CHART}._fullData.every((trace) => trace.visible === true)")

    def test_a_chart_fills_the_room_it_gets(self, opened):
        narrow = opened.evaluate(f"{CHART}._fullLayout.width")
        opened.set_viewport_size({"width": 1600, "height": 900})
        opened.wait_for_function(f"{CHART}._fullLayout.width > {narrow} + 200")
        opened.locator('.st-key-chart-map .modebar-btn[data-title="Zoom in"]').click()
        zoomed = opened.evaluate(f"{CHART}.layout.xaxis.range")
        opened.locator('.st-key-chart-map .modebar-btn[data-title="Full screen"]').click()
        opened.wait_for_function(f"document.fullscreenElement === {CHART}.parentElement")
        opened.wait_for_function(f"{CHART}._fullLayout.width === window.innerWidth")
        opened.locator('.st-key-chart-map .modebar-btn[data-title="Full screen"]').click()
        opened.wait_for_function(
            f"document.fullscreenElement === null && {CHART}._fullLayout.width < window.innerWidth"
        )

        assert opened.evaluate(f"{CHART}.layout.xaxis.range") == zoomed
        opened.locator('.st-key-chart-map .modebar-btn[data-title="Reset axes"]').click()

    def test_who_comes_back_finds_the_map_drawn(self, opened):
        before = legend_of(opened)
        sidebar = opened.get_by_test_id("stSidebarNav")
        sidebar.get_by_role("link", name="Confusion", exact=True).click()
        opened.locator(".st-key-chart-confusion .main-svg").first.wait_for()
        sidebar.get_by_role("link", name="Map", exact=True).click()
        opened.locator(".st-key-chart-map .main-svg").first.wait_for()
        settle(opened)
        assert legend_of(opened) == before

    def test_a_chart_that_stays_the_same_is_not_drawn_again(self, opened):
        opened.wait_for_timeout(500)
        opened.evaluate(f"{CHART}.on('plotly_afterplot', () => ({CHART}.again = true))")
        opened.get_by_text("Arrows from clean to transformed").click()  # nothing is selected
        opened.wait_for_url("**arrows=True**")
        settle(opened)
        opened.wait_for_timeout(500)
        assert opened.evaluate(f"{CHART}.again") is None
        opened.get_by_text("Arrows from clean to transformed").click()
        opened.get_by_role("radio", name="strength", exact=True).or_(
            opened.get_by_role("button", name="strength", exact=True)
        ).first.click()
        opened.wait_for_function(f"{CHART}.again")

    def test_a_map_has_the_pixels_of_the_screen_and_its_saved_picture_twice_as_many(self, opened, tmp_path):
        width, height = opened.evaluate(f"[{CHART}.clientWidth, {CHART}.clientHeight]")
        canvas = opened.evaluate(f"(({{ width, height }}) => [width, height])({CHART}.querySelector('canvas'))")
        assert canvas == [width, height]
        with opened.expect_download() as saved:
            opened.locator('.st-key-chart-map .modebar-btn[data-title="Download plot as a PNG"]').click()
        saved.value.save_as(tmp_path / "map.png")
        picture = read_image(tmp_path / "map.png")
        assert picture.shape[:2] == (2 * height, 2 * width)
        # Neighboring pixels differ where points have edges: a map with half of the pixels has them in pairs.
        middle = picture[200:-200, 200:-600].astype(int)
        even, odd = (abs(middle[:, side + 1 :: 2][:, :200] - middle[:, side::2][:, :200]).sum() for side in (0, 1))
        assert min(even, odd) > 0.5 * max(even, odd)

    def test_its_menu_sends_nothing_anywhere(self, opened):
        titles = opened.locator(".st-key-chart-map .modebar-btn").evaluate_all(
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
        other.locator(".st-key-chart-map .main-svg").first.wait_for()
        assert other.get_by_role("alert").filter(has_text="could not be drawn").count() == 0
        other.close()
