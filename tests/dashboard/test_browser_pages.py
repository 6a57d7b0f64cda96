"""Every page in headless Chromium, over the made run, the reference run and one under its probes: no exception,
nothing in the console, nothing wider than the window.

On the pages of the made run axe-core finds no serious violation either; in the dark, where only colors differ,
contrasts are checked. Opening a page costs most, so each is opened once a run, light or dark, and then changes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest

from probing_core.paths import data_dir
from probing_core.pipeline import Options, maps, run
from tests.dashboard.accessibility import violations_of
from tests.dashboard.browser import ADDRESSES, ASKED, IN_BROWSER, complaints_of, remembering, settle

pytestmark = IN_BROWSER
WIDE, NARROW, PHONE = 1280, 800, 390
DRAWN_MS = 500
"""What the page draws after its script has ended may complain, too."""

AXE_DRAWN_MS = 1500
FITS_MS = 20_000
AT_ONCE = 3
"""Pages that are open together: while one waits for the server, another draws."""

APP = "document.querySelector('[data-testid=stApp]')"
STARTED = f"""() => {{
  window.started = new Promise((tell) => new MutationObserver(() => tell()).observe(
    {APP}, {{attributes: true, attributeFilter: ['data-test-script-state']}}));
}}"""
"""A promise that the script begins to run."""


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """As `make demo` computes it, with one small model, ten views, and on its map what takes no time."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    options = Options(probes_from=data_dir() / "reference", models=("baseline/handcrafted",), limit=10, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "umap_points", lambda embeddings, seed: embeddings[:, :2])
        run(out, options)
    return out


@pytest.fixture(scope="module")
def context(chromium, tmp_path_factory):
    with remembering(chromium, tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture(scope="module")
def reference_run():
    return data_dir() / "reference"


class Look(NamedTuple):
    """A theme, the windows in which pages are looked at in it, and the rules for axe-core (all, if not given)."""

    theme: str
    widths: tuple[int, ...]
    rules: list[str] | None = None


LIGHT, DARK = Look("light", (WIDE, NARROW, PHONE)), Look("dark", (PHONE, WIDE), ["color-contrast"])


@pytest.mark.parametrize(
    ("which", "looks"), [("made", (LIGHT, DARK)), ("reference", (DARK, LIGHT)), ("demo", (LIGHT, DARK))]
)
def test_every_page_opens_without_a_complaint(which, looks, request, serve, context):
    """In the first theme and window, and in all others while it is open."""
    path = request.getfixturevalue(f"{which}_run")
    assert (path / "run.toml").is_file()  # pages without a run have little to complain about
    found: dict[str, list] = {}
    passed: Counter[str] = Counter()
    views = list((ADDRESSES | ASKED).items())
    for start in range(0, len(views), AT_ONCE):
        opened = open_together(context, serve(path), dict(views[start : start + AT_ONCE]), looks[0])
        for look in looks:
            if look is not looks[0]:
                change_theme(opened, look)
            for width in look.widths:
                with_axe = which == "made" and width == WIDE
                draw(opened, width, AXE_DRAWN_MS if with_axe else DRAWN_MS)
                for page, complaints in opened.values():
                    complaints.extend(wider_than_its_window(page, width))
                    if with_axe:
                        violations, passes = violations_of(page, look.rules)
                        complaints.extend(violations)
                        passed[look.theme] += passes
            for page, complaints in opened.values():
                complaints.extend(page.get_by_test_id("stException").all_inner_texts()[:1])
        for name, (page, complaints) in opened.items():
            if complaints:
                found[name] = complaints
            page.close()
    assert found == {}
    if which == "made":  # axe did run
        assert passed["light"] >= len(views) * 10
        assert passed["dark"] >= len(views)


def open_together(context, address: str, views: dict[str, str], look: Look) -> dict[str, tuple[Any, list]]:
    """Name -> its page, at rest, and what that complains about from its opening on."""
    opened = {}
    for name, view in views.items():
        page = context.new_page()
        opened[name] = page, complaints_of(page)
        page.set_viewport_size({"width": look.widths[0], "height": 900})
        page.emulate_media(color_scheme=look.theme)
        page.goto(f"{address}/{view}", wait_until="commit")
    for page, _ in opened.values():
        page.get_by_role("heading", level=1).first.wait_for()
        settle(page)
    return opened


def change_theme(opened: dict[str, tuple[Any, list]], look: Look) -> None:
    """As the system's setting does it; what the server draws follows when the script runs again."""
    for page, _ in opened.values():
        page.set_viewport_size({"width": look.widths[0], "height": 900})
        page.emulate_media(color_scheme=look.theme)
        page.wait_for_function(f"getComputedStyle({APP}).colorScheme === '{look.theme}'")
        page.evaluate(STARTED)
        page.keyboard.press("r")
        page.evaluate("window.started")


def draw(opened: dict[str, tuple[Any, list]], width: int, drawn_ms: int) -> None:
    """Makes the windows ``width`` pixels wide and waits until the pages have drawn."""
    for page, _ in opened.values():
        page.set_viewport_size({"width": width, "height": 900})
    for page, _ in opened.values():
        settle(page)
    page.wait_for_timeout(drawn_ms)


def wider_than_its_window(page, width: int) -> list[str]:
    from playwright.sync_api import TimeoutError as TooLate

    try:  # charts shrink some time after their window
        page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth", timeout=FITS_MS)
    except TooLate:
        return [f"wider than a window of {width} pixels"]
    return []


def test_it_finds_what_is_wrong(chromium):
    """The check can fail: an error of a script and one in the console; Streamlit's own miss is none."""
    page = chromium.new_page()
    complaints = complaints_of(page)
    page.set_content(
        "<script>console.error('404 /_stcore/health'); console.error('logged'); throw new Error('thrown')</script>"
    )
    page.wait_for_timeout(100)
    page.close()
    assert len(complaints) == 2
    assert any("logged" in c for c in complaints)
    assert any("thrown" in c for c in complaints)


def test_axe_finds_what_is_wrong(chromium):
    """This check can fail, too: a picture without words, and pale text."""
    page = chromium.new_page()
    page.set_content("<html lang=en><title>x</title><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p>")
    violations, _ = violations_of(page)
    page.close()
    assert {"image-alt", "color-contrast"} <= {rule for rule, _ in violations}
