"""One journey in headless Chromium: change the model, select on the map, open a cell, upload, read predictions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from dashboard.data.point_cloud import point_cloud

from lab.devtools.browser import IN_BROWSER, rest, settle
from lab.devtools.drawing import listened
from lab.devtools.made_run import MODELS
from probing_core.compute.names import DONE
from probing_core.images import encode_png
from probing_core.results import Run, tell_apart

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def visit(server, tab):
    """A page of the browser on the served dashboard, and what its console complained about."""
    with tab.visitor() as (page, complaints):
        page.goto(server)
        yield page, complaints


TITLES = {"Overview": "What does your image embedding know?"}


def go(page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=TITLES.get(name, name), exact=True, level=1).wait_for()
    settle(page)


def open_as_receiver(page, link: str) -> None:
    """As somebody whom the dashboard does not know."""
    page.goto("about:blank")
    page.context.clear_cookies()
    page.goto(link)


def choose(page, label: str, option: str) -> None:
    rest(page)  # a page that moves closes its open lists
    page.get_by_role("combobox", name=label, exact=False).first.click()
    page.keyboard.type(option)  # typing filters a long list
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def point_of(page, chart: str, find: str) -> tuple[float, float]:
    """Pixels on the page of the first point of ``chart`` whose customdata satisfies the JavaScript ``find``."""
    page.wait_for_selector(f".st-key-chart-{chart} .nsewdrag")
    page.locator(f".st-key-chart-{chart}").scroll_into_view_if_needed()
    listened(page, chart, "plotly_click")
    return page.evaluate(
        """([chart, find]) => {
          const plot = document.querySelector(`.st-key-chart-${chart} .js-plotly-plot`);
          const wanted = eval(find);
          const box = plot.getBoundingClientRect();
          for (const trace of plot._fullData) {
            if (trace.type === 'heatmap') {
              const row = trace.customdata.findIndex((cells) => cells.some(wanted));
              const {xaxis, yaxis} = plot._fullLayout;
              const column = trace.customdata[row].findIndex(wanted);
              return [box.left + xaxis._offset + xaxis.d2p(column), box.top + yaxis._offset + yaxis.d2p(row)];
            }
            const index = (trace.customdata || []).findIndex(wanted);
            if (index < 0) continue;
            const x = plot._fullLayout[trace.xaxis.replace('x', 'xaxis')];
            const y = plot._fullLayout[trace.yaxis.replace('y', 'yaxis')];
            return [box.left + x._offset + x.d2p(trace.x[index]), box.top + y._offset + y.d2p(trace.y[index])];
          }
        }""",
        [chart, find],
    )


def test_journey(visit, made_run, tmp_path):
    page, complaints = visit
    page.get_by_role("heading", name="What does your image embedding know?").wait_for()
    settle(page)

    # Change the model, on a page of its own; the choice goes into the address and follows.
    go(page, "Confusion")
    choose(page, "Model", "baseline/pixels")
    page.wait_for_url("**model=baseline%2Fpixels**")
    page.get_by_text("by baseline/pixels in").wait_for()

    # Open a cell of the confusion matrix: the click and its pictures.
    find = "(d) => d[2] === 'jpeg' && d[3] === 'jpeg'"
    page.mouse.click(*point_of(page, "confusion", find))
    page.get_by_text("is recognized as jpeg").wait_for()
    settle(page)
    assert "cell=jpeg%3Ejpeg" in page.url
    assert page.get_by_test_id("stImage").locator("img").count() > 0

    # Select on the map: rest on a point to see its picture, click it to have it in the selection.
    go(page, "Map")
    page.wait_for_selector(".probing-map[data-points]")
    field = page.locator(".probing-map .field").first
    field.scroll_into_view_if_needed()
    settle(page)
    box, cloud = (
        field.bounding_box(),
        point_cloud(Run.open(made_run), page.locator(".probing-map figcaption").first.inner_text(), DONE),
    )
    half = max(1.0, box["height"] / box["width"])
    x, y = (cloud.points[0] / half * box["height"] / 2).tolist()
    at = box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 - y
    page.mouse.move(at[0] - 20, at[1])
    page.mouse.move(*at, steps=3)
    page.locator(".probing-hover img").first.wait_for()
    page.mouse.click(*at)
    page.get_by_role("heading", name="1 of 512 samples").wait_for()
    settle(page)
    assert "selected=" in page.url

    # The same link shows the same to whoever receives it.
    open_as_receiver(page, page.url)
    page.get_by_role("heading", name="1 of 512 samples").wait_for()

    # Upload a picture and read the predictions; a broken one gets its sentence and stops nothing.
    picture = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    good, bad = tmp_path / "mine.png", tmp_path / "broken.png"
    good.write_bytes(encode_png(cv2.resize(picture, (160, 160))))
    bad.write_bytes(b"this is no picture")
    go(page, "Try your images")
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files([str(good), str(bad)])
    page.locator(".answers tbody tr").filter(has_text="baseline/pixels").first.wait_for()
    settle(page)
    assert page.get_by_test_id("stAlert").filter(has_text="broken.png").count() == 1
    assert page.get_by_text("mine.png, 160").count() == 1

    assert page.get_by_test_id("stException").count() == 0
    assert complaints == []


def test_who_tells_jpeg_from_pixelation(visit, made_run):
    """Found by somebody who follows the words on the pages: which model is best, and which pictures it gets wrong."""
    page, _ = visit
    go(page, "Overview")
    page.get_by_role("button", name="Which model is best at distinguishing two transformations").click()
    page.get_by_role("heading", name="Confusion", exact=True, level=1).wait_for()
    settle(page)
    choose(page, "Distinguish", "jpeg")
    choose(page, "from", "pixelate")
    page.get_by_role("heading", name="Which model distinguishes jpeg from pixelate?").wait_for()

    predictions = {m: Run.open(made_run).predictions(m, "fine") for m in MODELS}
    best = tell_apart(predictions, "jpeg", "pixelate")["model"][0]
    page.get_by_text(f"{best} is best at distinguishing jpeg from pixelate").wait_for()
    both = predictions[best][predictions[best]["truth"].isin(("jpeg", "pixelate"))]
    wrong = both[~both["correct"]]
    page.get_by_text(f"{best} gets {len(wrong)} of {len(both)} wrong").wait_for()
    settle(page)
    captions = page.get_by_test_id("stImageCaption").all_inner_texts()
    assert len(captions) == len(wrong)
    assert sorted(c.split(" → ")[1].split()[0] for c in captions) == sorted(wrong["predicted"])


def test_what_is_unfolded_can_be_sent_and_a_page_is_two_steps_back(visit):
    page, complaints = visit
    recipes, inside = (
        page.get_by_text("Preprocessing, pooling and weights of each"),
        page.locator(".st-key-show-recipes"),
    )
    go(page, "Methods and data")
    page.get_by_text(f"Models: {len(MODELS)}").click()
    page.wait_for_url("**show-models=True**")
    rest(page)  # what unfolds, and the table in it, move what is below
    recipes.click()
    page.wait_for_url("**show-recipes=True**")
    inside.get_by_text("baseline/pixels", exact=True).wait_for()
    page.go_back()  # what is unfolded is a step of its own
    inside.get_by_text("baseline/pixels", exact=True).wait_for(state="hidden")
    settle(page)
    assert "show-recipes" not in page.url
    recipes.click()
    page.wait_for_url("**show-recipes=True**")
    link = page.url

    go(page, "Transformations")  # it writes its address once
    page.wait_for_url("**/transformations?**transform=**")
    settle(page)
    page.go_back()  # to the page as it came, which writes again what it shows
    page.wait_for_url("**/transformations?**transform=**")
    settle(page)
    page.go_back()
    page.get_by_role("heading", name="Methods and data", exact=True, level=1).wait_for()
    page.wait_for_url("**show-recipes=True**")
    recipes.click()
    page.wait_for_function("!location.search.includes('show-recipes')")

    open_as_receiver(page, link)
    inside.get_by_text("baseline/pixels", exact=True).wait_for()
    assert not complaints
