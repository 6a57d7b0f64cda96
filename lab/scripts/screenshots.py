"""Take screenshots of all pages: ``python -m lab.scripts.screenshots [--run DIR] [--out docs/screenshots] [--all]``.

Serves the dashboard, opens every page in headless Chromium, and writes one PNG per page. By default, the screenshots
show the reference run in the light theme, as in the documentation. `--themes light,dark --width 390` takes screenshots
in both themes at the width of a phone, and `--all` includes all tabs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.devtools.browser import ADDRESSES, browser, open_page, served
from lab.devtools.commands import parser_of
from probing_core.paths import reference_run

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "explore",
    "models",
    "layers",
    "generalization",
    "retrieval",
    "try-your-images",
    "before-and-after",
    "evaluate-your-model",
    "transformations",
    "methods",
)
"""Names in `ADDRESSES` of the views in the documentation, one per page."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--run", default=reference_run(), help="run to show (default: the reference run)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--themes", default="light")
    parser.add_argument("--all", action="store_true", help="include all tabs")
    options = parser.parse_args()
    pages = {name: path for name, path in ADDRESSES.items() if options.all or name in PAGES}
    for file in take(options.run, options.out, options.width, options.height, options.themes.split(","), pages):
        print(file)


def take(
    run: Path | str, out: Path, width: int, height: int, themes: Sequence[str], pages: Mapping[str, str] = ADDRESSES
) -> Iterator[Path]:
    """Write a screenshot of each of ``pages`` (name -> URL) to the folder ``out``, and yield its path."""
    out.mkdir(parents=True, exist_ok=True)
    with served(["--run", str(run)]) as address, browser() as chromium:
        for theme in themes:
            context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            for name, path in pages.items():
                with opened(context, f"{address}/{path}") as page:
                    file = out / f"{name}-{theme}.png"
                    page.screenshot(path=file)
                    yield file


@contextmanager
def opened(context: Any, address: str) -> Iterator[Any]:
    """Open the page at ``address`` in a context, and wait until all visible elements are rendered."""
    page = context.new_page()
    open_page(page, address)
    page.wait_for_load_state("networkidle")  # the explorer requests images after rendering
    yield page
    page.close()


if __name__ == "__main__":
    main()
