"""Record the animation in the README: ``python -m lab.scripts.movie [--run DIR] [--out docs/demo.webp]``.

Serves the dashboard, visits several pages in headless Chromium, and writes screenshots as one animated WebP.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from lab.devtools.browser import browser, lasso, served, wait_until_settled
from lab.devtools.commands import parser_of
from lab.scripts.screenshots import opened
from probing_core.paths import reference_run

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 1400, 900
SHOWN = (960, 617)
LIMIT_MB = 3


@dataclass(frozen=True)
class Shot:
    """A page, the actions on the page, and the duration of each frame."""

    path: str
    act: Callable[[Any], Iterator[None]]
    seconds: float = 1.2


def scroll(page: Any) -> Iterator[None]:
    """Show the page, and then scroll down."""
    yield
    for _ in range(2):
        page.mouse.move(WIDTH * 0.6, HEIGHT * 0.6)
        page.mouse.wheel(0, HEIGHT * 0.55)
        wait_until_settled(page)
        yield


def strengths(page: Any) -> Iterator[None]:
    """Show the transformation at weaker and stronger strengths."""
    yield
    slider = page.get_by_role("slider", name=re.compile("^Strength")).first
    for key in ("Home", *["PageUp"] * 3, "End"):
        slider.press(key)
        wait_until_settled(page)
        yield


def explore(page: Any) -> Iterator[None]:
    """Show the example selection, no selection, a lasso, and samples in it that only the second model classifies
    correctly."""
    yield
    page.locator(".px-example").click()
    wait_until_settled(page)
    yield
    page.keyboard.press("Escape")
    yield
    lasso(page, "a")
    yield
    page.get_by_role("button", name="only B correct").click()
    wait_until_settled(page)
    yield


SHOTS = (
    Shot("", explore, 2.2),
    Shot("models", scroll, 1.6),
    Shot("transformations?transform=fog", strengths, 0.9),
    Shot("try?samples=chelsea/00&show-change=True&transform=jpeg", scroll, 2.0),
)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--run", type=Path, default=reference_run(), help="run to show (default: the reference run)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "demo.webp")
    options = parser.parse_args()
    pictures, seconds, megabytes = make(options.run, options.out)
    print(f"{options.out}: {pictures} pictures, {seconds:.0f} s, {megabytes:.2f} MB")


def make(run: Path, out: Path, shots: Sequence[Shot] = SHOTS) -> tuple[int, float, float]:
    """Write the animation to ``out``, and return its number of frames, duration in seconds and size in MB."""
    pictures, durations = [], []
    with served(["--run", str(run)]) as address, browser() as chromium:
        context = chromium.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        for shot in shots:
            with opened(context, f"{address}/{shot.path}") as page:
                for _ in shot.act(page):
                    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                    pictures.append(picture.resize(SHOWN, Image.Resampling.LANCZOS))
                    durations.append(round(1000 * shot.seconds))
    for quality in (80, 65, 50, 35):
        moving = {"save_all": True, "append_images": pictures[1:], "duration": durations, "loop": 0}
        pictures[0].save(out, **moving, quality=quality, method=6)
        megabytes = out.stat().st_size / 10**6
        if megabytes < LIMIT_MB:
            return len(pictures), sum(durations) / 1000, megabytes
    raise SystemExit(f"error: {out} is larger than {LIMIT_MB} MB. Show fewer pages.")


if __name__ == "__main__":
    main()
