"""Ten thousand points in headless Chromium, drawn by Plotly, and twice as many, drawn by `point_map`: each point is
there, and a lasso collects them into the gallery."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dashboard.data.point_cloud import point_cloud
from probing_core.results import Run
from tests.dashboard.accessibility import violations_of
from tests.dashboard.browser import IN_BROWSER, WAIT_MS, complaints_of, remembering, settle
from tests.dashboard.drawing import draw_on_points, lasso
from tests.made_run import make_run

pytestmark = IN_BROWSER
SAMPLES = "10,240"


@pytest.fixture(scope="module")
def large(tmp_path_factory, serve, chromium):
    """The served dashboard over a made run of 10,240 samples, and a context of the browser."""
    run = make_run(tmp_path_factory.mktemp("large") / "large", views=20, repetitions=2)
    with remembering(chromium, tmp_path_factory.mktemp("profile")) as context:
        yield serve(run), context, Run.open(run)


def test_a_lasso_collects_points_into_the_gallery(large):
    address, context, _ = large
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/map?models=zoo/mae&color=group")
    page.get_by_text(f"{SAMPLES} of {SAMPLES} samples shown").wait_for()
    settle(page)
    lasso(page, "map")
    heading = page.get_by_role("heading", name=re.compile(rf"^[\d,]+ of {SAMPLES} samples$"))
    heading.wait_for()
    settle(page)
    selected = int(heading.inner_text().split()[0].replace(",", ""))
    assert 0 < selected < 10_240
    page.get_by_text(f"Pictures 1 to {min(24, selected)} of {selected:,}").wait_for()
    pictures = page.get_by_test_id("stImage").locator("img")
    pictures.nth(min(24, selected) - 1).wait_for()  # they come after the words above them
    assert pictures.count() == min(24, selected)
    assert "selected=" in page.url
    assert page.get_by_test_id("stException").count() == 0

    # What was selected in one map is selected in another, and the receiver of the link sees the same.
    link = page.url
    page.close()
    other = context.new_page()
    other.set_default_timeout(WAIT_MS)
    other.goto(link.replace("models=zoo%2Fmae", "models=baseline%2Fpixels"))
    other.get_by_role("heading", name=heading_text(selected)).wait_for(timeout=WAIT_MS)
    other.close()


def heading_text(selected: int) -> str:
    return f"{selected:,} of {SAMPLES} samples"


# Maps of more points than Plotly gets: two models have 20,480 here.

BOX = """([panel, least]) => {
  const canvas = document.querySelectorAll('.probing-map canvas')[panel];
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let i = 0; i < width * height; i += 1) {
    if (data[4 * i + 3] < least) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return [left / width, top / height, right / width, bottom / height];
}"""
"""The edges of what is drawn on a map, as shares of its sides."""

FOCUSED = "(({ className, ariaLabel, innerText }) => [className, ariaLabel, innerText])(document.activeElement)"

NO_WEBGL = """const before = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.includes('webgl') ? null : before.call(this, kind, ...rest);
};"""


def open_large(page, address, further=""):
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/map?models=zoo/mae,baseline/pixels&color=group{further}")
    page.get_by_text(f"{SAMPLES} of {SAMPLES} samples shown in each of 2 maps").wait_for()
    page.wait_for_selector('.probing-map[data-points="10240,10240"]')
    settle(page)


def expected_box(run, group: str, field) -> list[float]:
    """The edges of the points of a group on the first map, as they lie in its field."""
    cloud = point_cloud(run, "zoo/mae", tuple(run.classes("group")))
    x, y = cloud.points[(run.samples["group"] == group).to_numpy()].T
    box = field.bounding_box()
    across = max(1.0, box["height"] / box["width"]) * box["width"] / box["height"]
    up = across * box["height"] / box["width"]
    low, high = (x.min() / across, -y.max() / up), (x.max() / across, -y.min() / up)
    return [(1 + edge) / 2 for edge in (*low, *high)]


@pytest.mark.parametrize("kind", ["webgl", "raster"])
def test_every_point_of_a_large_map_is_drawn_where_it_is(large, kind):
    address, context, run = large
    page = context.new_page()
    complaints = complaints_of(page)
    if kind == "raster":
        page.add_init_script(NO_WEBGL)
    open_large(page, address)
    assert page.locator(".probing-map").get_attribute("data-drawn-with") == kind
    page.locator(".probing-map .legend button", has_text="blur").dblclick()  # alone
    page.wait_for_timeout(1500)  # it is drawn again once the double-click is over
    pressed = page.locator('.probing-map .legend button[aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["blur"]
    drawn = page.evaluate(BOX, [0, 60])
    expected = expected_box(run, "blur", page.locator(".probing-map .field").first)
    assert drawn == pytest.approx(expected, abs=0.02)
    assert not complaints
    page.close()


def test_a_lasso_on_a_large_map_is_answered_by_the_server(large):
    address, context, run = large
    page = context.new_page()
    open_large(page, address)
    draw_on_points(page, "map")
    page.mouse.up()
    heading = page.get_by_role("heading", name=re.compile(rf"^[\d,]+ of {SAMPLES} samples$"))
    heading.wait_for()
    settle(page)
    selected = int(heading.inner_text().split()[0].replace(",", ""))
    box = page.locator(".probing-map .field").first.bounding_box()
    half = max(1.0, box["height"] / box["width"])
    x, y = point_cloud(run, "zoo/mae", tuple(run.classes("group"))).points.T
    inside = (abs(x) < half / 2 * box["width"] / box["height"]) & (abs(y) < half / 2)
    assert selected == pytest.approx(inside.sum(), rel=0.02)
    page.get_by_text(f"Pictures 1 to 24 of {selected:,}").wait_for()
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_text("Nothing is selected.").wait_for()
    page.close()


def test_a_large_map_shows_what_is_under_the_pointer_and_follows_keys(large):
    address, context, run = large
    page = context.new_page()
    open_large(page, address)
    field = page.locator(".probing-map .field").first
    field.scroll_into_view_if_needed()
    cloud = point_cloud(run, "zoo/mae", tuple(run.classes("group")))
    box = field.bounding_box()
    half = max(1.0, box["height"] / box["width"])
    x, y = cloud.points[100].tolist()
    at = box["width"] / 2 + x / (2 * half) * box["height"], box["height"] / 2 - y / (2 * half) * box["height"]
    page.mouse.move(box["x"] + at[0] - 30, box["y"] + at[1])
    page.mouse.move(box["x"] + at[0], box["y"] + at[1], steps=3)
    page.locator(".probing-map .label").wait_for()
    nearest = cloud.nearest(x, y, 0.05)
    texts = {cloud.text(i) for i in np.flatnonzero(np.hypot(*(cloud.points - cloud.points[nearest]).T) < 0.02)}
    assert page.locator(".probing-map .label").inner_text() in texts
    page.locator(".probing-hover img").nth(1).wait_for()

    before = page.evaluate(BOX, [0, 60])
    field.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1500)
    assert page.evaluate(BOX, [0, 60])[0] > before[0] + 0.1  # everything moves to the right
    page.keyboard.press("0")
    page.wait_for_timeout(1500)
    assert page.evaluate(BOX, [0, 60]) == pytest.approx(before, abs=0.01)
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation_on_a_large_map(large, theme):
    """With a selection, arrows and a group that is hidden; in the dark, where only colors differ, of contrasts."""
    address, context, _ = large
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    open_large(page, address, "&selected=3.7.11&arrows=True")
    page.locator(".probing-map .legend button").first.click()
    page.wait_for_selector(".probing-map .legend button[aria-pressed=false]")
    page.wait_for_timeout(500)
    violations, passes = violations_of(page, ["color-contrast"] if theme == "dark" else None)
    page.close()
    assert violations == []
    assert passes >= (1 if theme == "dark" else 10)


def test_a_large_map_is_used_with_the_keyboard_alone(large):
    """Tools, fields and the legend are reached by Tab, have names, and do by Enter what a click does."""
    address, context, _ = large
    page = context.new_page()
    open_large(page, address)
    page.locator(".probing-map .tools button").first.focus()
    reached = []
    for _ in range(30):
        reached.append(page.evaluate(FOCUSED))
        page.keyboard.press("Tab")
    named = [label or text for kind, label, text in reached]
    assert {"Move", "Lasso", "Box", "Zoom in", "Show all"} <= set(named)
    assert sum(kind == "field" for kind, *_ in reached) == 2
    assert {"blur", "noise"} <= set(named)
    assert all(named)
    entry = page.locator(".probing-map .legend button", has_text="blur")
    entry.focus()
    page.keyboard.press("Enter")
    assert entry.get_attribute("aria-pressed") == "false"
    page.close()
