"""The made run, and the app over it: served for a browser, or opened without one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboard.text import PAGES as NAVIGATION
from lab.devtools.browser import served
from lab.devtools.kept import copy_of
from lab.devtools.made_run import ship
from probing_core.paths import board_dir, data_dir
from tests.conftest import kept_made_run
from tests.made_detector import with_detector
from tests.made_studies import add_studies

REFERENCE = data_dir() / "reference"
BOARD = board_dir()
APP = Path(__file__).parents[2] / "dashboard" / "app.py"
PAGES = {page.title: page.file for under in NAVIGATION.values() for page in under}
ADDRESSES = {page.title: page.address for under in NAVIGATION.values() for page in under}

PARTS = {
    "Models": ("ranking", "compare", "transformations", "content", "claims", "uses", "board"),
    "Generalization": ("unseen", "styles", "shift", "variance"),
    "Retrieval": ("found", "search", "duplicates"),
    "Try your images": ("pictures", "folder", "game"),
}
"""Tabs of pages, by the names that their addresses give them."""

LATER = ("detecting", "studied")
"""Names of runs that tests make beside the made run once it is served."""


@pytest.fixture(scope="session", autouse=True)
def _components() -> Iterator[None]:
    """Streamlit looks for components in all installed packages whenever an `AppTest` runs, a quarter of a second; the
    tests install none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def detecting_run(made_run: Path) -> Path:
    """The made run with a detector of edited images that was trained on the packaged photographs."""
    return copy_of("detecting", lambda folder: with_detector(kept_made_run(), folder), made_run.parent / "detecting")


@pytest.fixture(scope="session")
def studied_run(made_run: Path) -> Path:
    """The made run with every table of studies."""
    out = made_run.parent / "studied"
    return copy_of("studied", lambda folder: add_studies(Path(shutil.copytree(kept_made_run(), folder))), out)


@pytest.fixture(scope="session")
def shipped_run(made_run: Path) -> Path:
    """As the reference run: tables, probes and maps, but no pictures and no embeddings."""
    return ship(made_run, made_run.parent / "reference")


@pytest.fixture(scope="session")
def server(made_run: Path) -> Iterator[str]:
    """The address of a dashboard, one for all tests of this process.

    It shows the made run, or what ``?run=NAME`` names: the reference run, and what a test makes beside the made run
    under one of the names `LATER`.
    """
    runs = [made_run, *(made_run.parent / name for name in LATER)]
    with served([word for run in runs for word in ("--run", str(run))]) as address:
        yield address


@pytest.fixture
def page(tab) -> Iterator[Any]:
    """A new visitor's page in a browser; nothing may have complained when the test ends."""
    with tab.visitor() as (page, complaints):
        yield page
        assert page.get_by_test_id("stException").count() == 0
        assert complaints == []


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder: whatever runs this checkout has stay out of the tests."""
    monkeypatch.setattr("probing_core.paths.data_dir", lambda: tmp_path)
    monkeypatch.setattr("probing_core.paths.board_dir", lambda: BOARD)
    return tmp_path


@pytest.fixture
def open_app(data_folder: Path, made_run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens a page as a new visitor: ``open_app("Models", run=DIR, part="claims")``; other names are the address."""

    for name in ("startup.after_first_page", "jobs.estimates.prepare"):  # they would go on beside other tests
        monkeypatch.setattr(f"dashboard.{name}", lambda *_: None)

    def open_page(page: str = "Explore", run: Path | None = made_run, **address: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app.py", *(["--run", str(run)] if run else [])])
        if run == REFERENCE and not (data_folder / "reference").exists():
            (data_folder / "reference").symlink_to(REFERENCE)  # its photographs
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, text in address.items():
            app.query_params[name.rstrip("_").replace("_", "-")] = text
        # Not `switch_page`: before the first run it takes a page's address for the name of its file.
        app._page_hash = calc_hash(ADDRESSES[page]) if ADDRESSES[page] else ""
        return app.run()

    return open_page
