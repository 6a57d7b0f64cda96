"""Ten and twenty thousand points in headless Chromium: each point is there, a lasso collects them into the gallery, and
another reading moves them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from dashboard.components.point_map import MAX_PICTURED
from dashboard.data.density import contours
from dashboard.data.point_cloud import point_cloud

from lab.devtools.browser import IN_BROWSER, complaints_of, rest, settle
from lab.devtools.drawing import draw, lasso
from lab.devtools.made_run import make_run
from probing_core.charts import Theme
from probing_core.compute.names import DONE, EVERYTHING
from probing_core.results import Run
from tests.dashboard.accessibility import violations_of
from tests.dashboard.test_browser_media import COPIED

pytestmark = IN_BROWSER
SAMPLES = "10,240"


@pytest.fixture(scope="module")
def large(made_run):
    """A made run of 10,240 samples."""
    return Run.open(make_run(made_run.parent / "large", views=20, repetitions=2))


@pytest.fixture
def address(large, server):
    return f"{server}/map?run={large.path.name}"


@pytest.fixture
def page(tab):
    with tab.visitor() as (page, _):
        yield page


def test_a_lasso_collects_points_into_the_gallery(address, page):
    page.goto(f"{address}&models=zoo/mae&color=group")
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
    link = page.url.replace("models=zoo%2Fmae", "models=baseline%2Fpixels")
    assert link != page.url
    page.goto("about:blank")
    page.goto(link)
    page.get_by_role("heading", name=heading_text(selected)).wait_for()


def heading_text(selected: int) -> str:
    return f"{selected:,} of {SAMPLES} samples"


# Two models have 20,480 points here.

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

DRAWN = """() => {
  const canvas = document.querySelector('.probing-map canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [0, 1, 2, 3].map((channel) => data.filter((_, i) => i % 4 === channel).reduce((sum, v) => sum + v, 0));
}"""
"""The sums of the four channels over the first map."""

NO_WEBGL = """const before = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.includes('webgl') ? null : before.call(this, kind, ...rest);
};"""


def open_large(page, address, further=""):
    page.goto(f"{address}&models=zoo/mae,baseline/pixels&color=group{further}")
    page.get_by_text(f"{SAMPLES} of {SAMPLES} samples shown in each of 2 maps").wait_for()
    page.wait_for_selector('.probing-map[data-points="10240,10240"]')
    rest(page)


def expected_box(run, group: str, field, reading: str = DONE) -> list[float]:
    """The edges of the points of a group on the first map, as they lie in its field."""
    cloud = point_cloud(run, "zoo/mae", reading)
    x, y = cloud.points[(run.samples["group"] == group).to_numpy()[cloud.samples]].T
    box = field.bounding_box()
    across = max(1.0, box["height"] / box["width"]) * box["width"] / box["height"]
    up = across * box["height"] / box["width"]
    low, high = (x.min() / across, -y.max() / up), (x.max() / across, -y.min() / up)
    return [(1 + edge) / 2 for edge in (*low, *high)]


def box_once(page, right: Callable[[list[float]], bool]) -> list[float]:
    """The edges of what is drawn on the first map once they are ``right``: it is drawn some time after a click."""
    for _ in range(50):
        box = page.evaluate(BOX, [0, 60])
        if right(box):
            break
        page.wait_for_timeout(200)
    return box


@pytest.mark.parametrize("kind", ["webgl", "raster"])
def test_every_point_of_a_large_map_is_drawn_where_it_is(address, page, tab, large, kind):
    complaints = tab.complaints
    if kind == "raster":
        page = tab.context.new_page()
        page.add_init_script(NO_WEBGL)
        complaints = complaints_of(page)
    open_large(page, address)
    assert page.locator(".probing-map").get_attribute("data-drawn-with") == kind
    page.locator(".probing-map .legend button", has_text="blur").dblclick()  # alone
    expected = pytest.approx(expected_box(large, "blur", page.locator(".probing-map .field").first), abs=0.02)
    assert box_once(page, lambda box: box == expected) == expected
    pressed = page.locator('.probing-map .legend button[aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["blur"]
    assert not complaints
    if kind == "raster":
        page.close()


def test_a_lasso_on_a_large_map_is_answered_by_the_server(address, page, large):
    open_large(page, address)
    draw(page, "map")
    page.mouse.up()
    heading = page.get_by_role("heading", name=re.compile(rf"^[\d,]+ of {SAMPLES} samples$"))
    heading.wait_for()
    settle(page)
    selected = int(heading.inner_text().split()[0].replace(",", ""))
    box = page.locator(".probing-map .field").first.bounding_box()
    half = max(1.0, box["height"] / box["width"])
    x, y = point_cloud(large, "zoo/mae", DONE).points.T
    inside = (abs(x) < half / 2 * box["width"] / box["height"]) & (abs(y) < half / 2)
    assert selected == pytest.approx(inside.sum(), rel=0.02)
    page.get_by_text(f"Pictures 1 to 24 of {selected:,}").wait_for()
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_text("Nothing is selected.").wait_for()


def test_a_large_map_shows_what_is_under_the_pointer_and_follows_keys(address, page, large):
    open_large(page, address)
    field = page.locator(".probing-map .field").first
    field.scroll_into_view_if_needed()
    cloud = point_cloud(large, "zoo/mae", DONE)
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
    left = before[0] + 0.1
    assert box_once(page, lambda box: box[0] > left)[0] > left  # everything moves to the right
    page.keyboard.press("0")
    expected = pytest.approx(before, abs=0.01)
    assert box_once(page, lambda box: box == expected) == expected


def drawing_at_rest(page) -> list[int]:
    """What is drawn on the first map, once it is the same for half a second."""
    drawn = []
    while drawn != (drawn := page.evaluate(DRAWN)):
        page.wait_for_timeout(500)
    return drawn


@pytest.mark.parametrize("kind", ["webgl", "raster"])
def test_a_map_is_copied_in_light_colors_with_what_is_over_it_and_the_page_stays_dark(address, page, tab, kind):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if kind == "raster":
        page = tab.context.new_page()
        page.add_init_script(NO_WEBGL)
    page.emulate_media(color_scheme="dark")
    open_large(page, address, "&selected=3.7.11&arrows=True")
    assert page.locator(".probing-map").get_attribute("data-drawn-with") == kind
    page.locator(".probing-map .legend button").first.dblclick()  # three changes: drawn at the size that it has now
    page.locator(".probing-map .legend button").first.dblclick()
    page.wait_for_timeout(500)
    before = drawing_at_rest(page)
    page.get_by_role("button", name="Copy as a picture").last.click()
    page.locator(".probing-map [role=status]").filter(has_text="Copied").wait_for()
    copied = page.evaluate(COPIED)
    box = page.locator(".probing-map .maps").bounding_box()
    assert copied["size"][0] > 2 * box["width"]
    assert copied["size"][1] > 2 * box["height"]
    assert copied["corner"] == [255, 255, 255, 255]
    assert copied["title"] < 60
    assert copied["source"] < 140
    assert drawing_at_rest(page) == pytest.approx(before, rel=0.02), "other colors would differ by more"
    if kind == "raster":
        page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation_on_a_large_map(address, page, theme):
    """With a selection, arrows and a group that is hidden; in the dark, where only colors differ, of contrasts."""
    page.emulate_media(color_scheme=theme)
    open_large(page, address, "&selected=3.7.11&arrows=True")
    page.locator(".probing-map .legend button").first.click()
    page.wait_for_selector(".probing-map .legend button[aria-pressed=false]")
    rest(page)
    violations, passes = violations_of(page, ["color-contrast"] if theme == "dark" else None)
    assert violations == []
    assert passes >= (1 if theme == "dark" else 10)


def test_a_large_map_is_used_with_the_keyboard_alone(address, page):
    """Tools, fields and the legend are reached by Tab, have names, and do by Enter what a click does."""
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


@pytest.mark.parametrize("kind", ["webgl", "raster"])
def test_another_reading_moves_the_points_to_where_they_are_in_it(address, page, tab, large, kind):
    if kind == "raster":
        page = tab.context.new_page()
        page.add_init_script(NO_WEBGL)
    open_large(page, address)
    page.locator(".probing-map .legend button", has_text="blur").dblclick()  # alone
    field = page.locator(".probing-map .field").first
    before = pytest.approx(expected_box(large, "blur", field), abs=0.02)
    assert box_once(page, lambda box: box == before) == before
    page.evaluate("document.querySelector('.probing-map canvas').marked = true")
    choose_reading(page, "everything")
    after = pytest.approx(expected_box(large, "blur", field, EVERYTHING), abs=0.02)
    assert box_once(page, lambda box: box == after) == after
    assert page.evaluate("document.querySelector('.probing-map canvas').marked"), "the canvas is the one of before"
    pressed = page.locator('.probing-map .legend button[aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["blur"], "and the legend is as it was left"
    page.wait_for_url(re.compile("reading=everything"))
    if kind == "raster":
        page.close()


def choose_reading(page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    page.get_by_role("radio", name=name, exact=True).or_(button).first.click()
    settle(page)


def test_what_the_legend_hides_goes_into_the_address_and_comes_back_from_it(address, page):
    open_large(page, address)
    page.locator(".probing-map .legend button", has_text="blur").dblclick()
    page.wait_for_url(re.compile("groups=blur(&|$)"))
    page.get_by_text(re.compile(rf"^960 of {SAMPLES} samples shown")).wait_for()
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector('.probing-map[data-points="10240,10240"]')
    pressed = page.locator('.probing-map .legend button[aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["blur"]


def test_names_stand_on_the_map_and_none_covers_another(address, page):
    open_large(page, address)
    names = page.locator(".probing-map .field").first.locator("text.name")
    boxes = [names.nth(i).bounding_box() for i in range(names.count())]
    assert len(boxes) >= 4
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a["x"] >= b["x"] + b["width"] or b["x"] >= a["x"] + a["width"]
            assert apart or abs(a["y"] - b["y"]) >= 12


OF_LINES = """([kind]) => [...document.querySelectorAll('.probing-map .field')].map((field) => {
  const place = field.getBoundingClientRect();
  return [...field.querySelectorAll(kind)].map((line) => {
    const box = line.getBoundingClientRect();
    return [box.left - place.left, box.top - place.top, box.right - place.left, box.bottom - place.top];
  });
})"""
"""Of each map, the edges of each of its lines in pixels."""


def test_contours_lie_where_the_points_are_and_move_with_the_view(address, page, large):
    open_large(page, address, "&transformation=fog")
    field = page.locator(".probing-map .field").first
    cloud = point_cloud(large, "zoo/mae", DONE)
    chosen = (large.samples["transform"] == "fog").to_numpy()[cloud.samples]
    half, most = contours(cloud.points[chosen])
    box = field.bounding_box()
    scale = min(box["width"], box["height"]) / 2

    def edges(lines: list[np.ndarray]):
        x, y = np.vstack(lines).T
        middle_x, middle_y = box["width"] / 2, box["height"] / 2
        left, right = middle_x + scale * x.min(), middle_x + scale * x.max()
        return pytest.approx([left, middle_y - scale * y.max(), right, middle_y - scale * y.min()], abs=5)

    shown = page.evaluate(OF_LINES, [".contour"])[0]
    assert shown == [edges(half), edges(most)]
    gaps = page.evaluate(OF_LINES, ["mask g rect"])[0]
    names = field.locator("text.name")
    assert len(gaps) == names.count()
    assert names.first.text_content() == "fog"
    left, top, right, bottom = shown[1]
    name = names.first.bounding_box()
    beside = name["y"] + name["height"] - box["y"] <= top + 3 or name["y"] - box["y"] >= bottom - 3
    assert beside, "the name of what is chosen stands above or below its contour"

    page.locator('.probing-map .tools [data-val="closer"]').click()
    wider = page.evaluate(OF_LINES, [".contour"])[0][1]
    assert wider[2] - wider[0] == pytest.approx(1.5 * (right - left), rel=0.05)
    page.locator(".probing-map .legend button", has_text="weather").click()
    page.wait_for_function("getComputedStyle(document.querySelector('.contour').parentNode).display === 'none'")
    assert "fog" not in names.all_text_contents()


SMALL_PIXELS = """(button) => {
  const canvas = button.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const counts = {};
  for (let i = 0; i < data.length; i += 4) {
    if (!data[i + 3]) continue;
    const color = '#' + [0, 1, 2].map((c) => data[i + c].toString(16).padStart(2, '0')).join('');
    counts[color] = (counts[color] ?? 0) + 1;
  }
  return counts;
}"""


def test_small_maps_show_each_group_over_the_others_and_a_click_chooses_it(address, page, large):
    open_large(page, address, "&small-maps=True")
    groups = list(dict.fromkeys(large.transforms["group"]))
    of_first = page.locator(".probing-map figure").first.locator(".small button")
    assert of_first.all_inner_texts() == groups
    theme = Theme(dark=False)
    others = set()
    for i, group in enumerate(groups):
        colors = of_first.nth(i).evaluate(SMALL_PIXELS)
        assert theme.group(group) in colors
        others |= colors.keys() - {theme.group(group)}
    assert len(others) == 1, "one gray"
    noise = page.locator(".probing-map .small button", has_text="noise")
    noise.first.click()
    page.wait_for_url(re.compile("groups=noise(&|$)"))
    assert [noise.nth(i).get_attribute("aria-pressed") for i in range(2)] == ["true", "true"]
    pressed = page.locator('.probing-map .legend button[aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["noise"]
    rest(page)
    violations, _ = violations_of(page, None)
    assert violations == []
    noise.first.click()
    page.wait_for_url(lambda url: "groups=" not in url)
    assert pressed.count() == len(groups)
    page.set_viewport_size({"width": 390, "height": 844})
    rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_where_few_points_are_in_view_their_pictures_stand_beside_them_and_are_clicked_as_they_are(
    address, page, large, tab
):
    page.goto(f"{address}&models=zoo/mae&color=group")
    page.wait_for_selector('.probing-map[data-points="10240"]')
    rest(page)
    field = page.locator(".probing-map .field")
    field.scroll_into_view_if_needed()
    cloud = point_cloud(large, "zoo/mae", DONE)
    pictures = field.locator(".pictures image")
    assert pictures.count() == 0
    box = field.bounding_box()
    scale = min(box["width"], box["height"]) / 2
    # The pointer stays on a point while the wheel zooms in around it.
    x, y = (cloud.points[0] * [scale, -scale] + [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]).tolist()
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(10):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    pictures.first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    boxes = [pictures.nth(i).bounding_box() for i in range(pictures.count())]
    assert 0 < len(boxes) <= MAX_PICTURED
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert abs(a["x"] - b["x"]) >= a["width"] or abs(a["y"] - b["y"]) >= a["height"]
    points = [int(n) for n in field.locator(".pictures g").evaluate_all("all => all.map((g) => g.dataset.point)")]
    assert 0 in points
    with page.expect_download() as saved:
        page.locator('.probing-map .tools [data-val="save"]').click()
    assert saved.value.suggested_filename == "map.png"
    page.mouse.click(boxes[0]["x"] + 5, boxes[0]["y"] + 5)
    page.wait_for_url(re.compile(rf"selected={cloud.samples[points[0]]}(&|$)"))
    settle(page)
    page.wait_for_function("document.querySelectorAll('.probing-map .pictures image').length === 1")
    page.locator('.probing-map .tools [data-val="home"]').click()
    page.get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_function("!document.querySelector('.probing-map .pictures image')")
    assert not tab.complaints


def test_the_wheel_scrolls_the_page_unless_it_is_meant_for_the_map(address, page):
    open_large(page, address)
    field = page.locator(".probing-map .field").first
    page.locator(".probing-map .tools").scroll_into_view_if_needed()
    advice, before = field.locator(".advice.shown"), page.evaluate(BOX, [0, 60])
    field.hover()
    page.mouse.wheel(0, 40)
    advice.wait_for()
    assert advice.inner_text() == "Ctrl and the wheel zoom the map"
    assert page.evaluate(BOX, [0, 60]) == pytest.approx(before, abs=0.01)
    advice.wait_for(state="detached")
    page.keyboard.down("Control")
    page.mouse.wheel(0, 100)
    page.keyboard.up("Control")
    smaller = box_once(page, lambda box: box[2] - box[0] < 0.8 * (before[2] - before[0]))
    assert smaller[2] - smaller[0] == pytest.approx((before[2] - before[0]) / 1.5, rel=0.1)
    assert advice.count() == 0


def test_two_fingers_zoom_and_select_nothing(address, page, tab):
    open_large(page, address)
    page.locator('.probing-map .tools [data-val="lasso"]').click()
    field = page.locator(".probing-map .field").first
    field.scroll_into_view_if_needed()
    before, place, link = page.evaluate(BOX, [0, 60]), field.bounding_box(), page.url
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    fingers = tab.context.new_cdp_session(page)

    def touch(kind: str, apart: float) -> None:
        points = [{"x": x + side * apart, "y": y, "id": i} for i, side in enumerate((-1, 1))] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 100)
    for apart in range(90, 40, -10):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    smaller = box_once(page, lambda box: box[2] - box[0] < 0.6 * (before[2] - before[0]))
    assert smaller[2] - smaller[0] == pytest.approx((before[2] - before[0]) / 2, rel=0.1)
    settle(page)
    assert page.url == link
    fingers.detach()


FILLED = """() => {
  const place = (box) => [box.left, box.top, box.right, box.bottom];
  return [...document.querySelectorAll('.probing-map .field')].map((field) => place(field.getBoundingClientRect()));
}"""


@pytest.mark.parametrize("width", [1400, 820])
def test_in_full_screen_the_maps_fill_the_screen_and_the_wheel_alone_zooms(address, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_large(page, address, "&small-maps=True")
    page.locator('.probing-map .tools [data-val="full"]').click()
    page.wait_for_function("document.fullscreenElement")
    page.wait_for_timeout(500)
    for _, top, _, bottom in page.evaluate(FILLED):
        assert bottom - top > 300
        assert bottom <= 900
    lowest = page.locator(".probing-map .small").first.bounding_box()
    assert 600 < lowest["y"] + lowest["height"] <= 900
    before = page.evaluate(BOX, [0, 60])
    page.locator(".probing-map .field").first.hover()
    page.mouse.wheel(0, 100)
    smaller = box_once(page, lambda box: box[2] - box[0] < 0.8 * (before[2] - before[0]))
    assert smaller[2] - smaller[0] < 0.8 * (before[2] - before[0])
    page.locator('.probing-map .tools [data-val="full"]').click()
    page.wait_for_function("!document.fullscreenElement")


def test_on_a_phone_the_legend_stands_below_all_maps(address, page):
    page.set_viewport_size({"width": 390, "height": 900})
    open_large(page, address)
    maps = page.evaluate(FILLED)
    assert len(maps) == 2
    assert maps[0][3] < maps[1][1]  # one below the other
    legend = page.locator(".probing-map .legend").bounding_box()
    caption = page.get_by_text(f"{SAMPLES} of {SAMPLES} samples shown").bounding_box()
    assert maps[1][3] <= legend["y"]
    assert legend["y"] + legend["height"] <= caption["y"] + 1
