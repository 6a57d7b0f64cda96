"""Every page in headless Chromium, over the made run, the reference run and one under its probes: no exception,
nothing in the console, nothing wider than the window.

On the pages of the made run axe-core finds no serious violation either; in the dark, where only colors differ,
contrasts are checked. Opening a page costs most, so each is opened once a run, light or dark, and then changes; all
in one tab, which need not compile the scripts for each of them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import NamedTuple

import pytest
from playwright.sync_api import TimeoutError as TooLate

from lab.devtools.browser import ADDRESSES, ASKED, IN_BROWSER, rest
from probing_core.charts import Theme
from probing_core.compute import maps
from probing_core.paths import data_dir
from probing_core.run.options import Options
from probing_core.run.stages import run
from tests.dashboard.accessibility import violations_of

pytestmark = IN_BROWSER
WIDE, NARROW, PHONE = 1280, 800, 390
FITS_MS = 20_000
RERUN_MS = 10_000

APP = "document.querySelector('[data-testid=stApp]')"
STYLED = "(accent) => [...document.querySelectorAll('style')].some((e) => e.textContent.includes(`color: ${accent};`))"
"""The dashboard's own style is that of the theme: the script runs in it."""


@pytest.fixture(scope="module")
def demo_run(made_run):
    """As `make demo` computes it, with one small model, ten photographs, and on its map what takes no time."""
    out = made_run.parent / "demo"
    options = Options(
        corpus="reference",
        transforms=("bank",),
        repetitions=1,
        models=("baseline/handcrafted",),
        limit=10,
        device="cpu",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "umap_points", lambda embeddings, seed: embeddings[:, :2])
        run(out, options)
    return out


@pytest.fixture(scope="module")
def reference_run():
    return data_dir() / "reference"


class Look(NamedTuple):
    """A theme and a window in which a page is looked at, and the rules for axe-core (`ALL`, some, or none)."""

    theme: str
    width: int
    rules: list[str] | None = None


ALL: list[str] = []
CONTRAST = ["color-contrast"]
LOOKS = {
    "made": [Look("light", WIDE, ALL), Look("dark", WIDE, CONTRAST), Look("dark", NARROW), Look("dark", PHONE)],
    "reference": [Look("dark", PHONE), Look("light", NARROW), Look("light", WIDE)],
    "demo": [Look("light", NARROW), Look("dark", PHONE)],
}
"""Every page of every run in both themes. A theme changes colors alone, so each width needs one of them.

The made run has everything that pages can show, the reference run the longest tables and names: these are looked at in
every window. What the third has, one model with the reference's probes and names, is as wide as there, or less.
"""


@pytest.mark.parametrize("which", LOOKS)
def test_every_page_opens_without_a_complaint(which, request, server, tab):
    """By its address, in the first look, and then changed to the others."""
    path = request.getfixturevalue(f"{which}_run")
    assert (path / "run.toml").is_file()  # pages without a run have little to complain about
    found: dict[str, list] = {}
    passed: Counter[str] = Counter()
    with tab.visitor() as (page, logged):
        for name, view in (ADDRESSES | ASKED).items():
            address = f"{server}/{view}{'&' if '?' in view else '?'}run={path.name}"
            complaints, passes = look_at(page, address, LOOKS[which])
            passed.update(passes)
            complaints += logged
            logged.clear()
            if complaints:
                found[name] = complaints
    assert found == {}
    if which == "made":  # axe did run
        assert passed["light"] >= len(ADDRESSES | ASKED) * 10
        assert passed["dark"] >= len(ADDRESSES | ASKED)


def look_at(page, address: str, looks: list[Look]) -> tuple[list, Counter[str]]:
    """What there is to complain about on the page at ``address``, and how many rules of axe it passes, by theme."""
    complaints: list = []
    passed: Counter[str] = Counter()
    shown = ""
    for look in looks:
        page.set_viewport_size({"width": look.width, "height": 900})
        if not shown:
            open_page(page, address, look.theme)
        elif look.theme != shown:
            change_theme(page, look.theme)
        shown = look.theme
        rest(page)
        complaints += page.get_by_test_id("stException").all_inner_texts()[:1]
        complaints += wider_than_its_window(page, look.width)
        if look.rules is not None:
            violations, passes = violations_of(page, look.rules)
            complaints += violations
            passed[look.theme] += passes
    return complaints, passed


def open_page(page, address: str, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(address, wait_until="commit")
    page.get_by_role("heading", level=1).first.wait_for()


def change_theme(page, theme: str) -> None:
    """As the system's setting does it; what the server draws follows when the script runs again.

    That a script runs is no sign of it: parts of some pages run by themselves every two seconds.
    """
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"getComputedStyle({APP}).colorScheme === '{theme}'")
    accent = Theme(dark=theme == "dark").accent
    while not page.evaluate(STYLED, accent):
        page.keyboard.press("r")  # again, where it came while the page was busy: then nothing follows
        with suppress(TooLate):
            page.wait_for_function(STYLED, arg=accent, timeout=RERUN_MS)


def wider_than_its_window(page, width: int) -> list[str]:
    try:  # charts shrink some time after their window
        page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth", timeout=FITS_MS)
    except TooLate:
        return [f"wider than a window of {width} pixels"]
    return []


def test_it_finds_what_is_wrong(tab):
    """The check can fail: an error of a script and one in the console; Streamlit's own miss is none."""
    with tab.visitor() as (page, complaints):
        page.set_content(
            "<script>console.error('404 /_stcore/health'); console.error('logged'); throw new Error('thrown')</script>"
        )
        page.wait_for_timeout(100)
        assert len(complaints) == 2
        assert any("logged" in c for c in complaints)
        assert any("thrown" in c for c in complaints)


def test_axe_finds_what_is_wrong(tab):
    """This check can fail, too: a picture without words, and pale text."""
    with tab.visitor() as (page, _):
        page.set_content(
            "<html lang=en><title>x</title><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p>"
        )
        violations, _ = violations_of(page)
    assert {"image-alt", "color-contrast"} <= {rule for rule, _ in violations}
