"""The made run, and the app over it: served for a browser, or opened without one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard.text import PAGES as NAVIGATION
from lab.devtools.browser import served
from lab.devtools.kept import copy_of
from lab.devtools.made_run import ship
from probing_core.paths import data_dir
from tests.conftest import kept_made_run
from tests.made_detector import with_detector

REFERENCE = data_dir() / "reference"
APP = Path(__file__).parents[2] / "dashboard" / "app.py"
PAGES = {page.title: page.file for under in NAVIGATION.values() for page in under}

ADDRESSED_OTHERWISE = ("Try your images", "New run")
"""Pages whose address is not the name of their file: `AppTest` finds them after another page alone."""


LATER = ("detecting", "demo", "large", "studied")
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
    """The made run with a detector of alterations that was learned from the packaged photographs."""
    return copy_of("detecting", lambda folder: with_detector(kept_made_run(), folder), made_run.parent / "detecting")


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
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder: whatever runs this checkout has stay out of the tests."""
    monkeypatch.setattr("probing_core.paths.data_dir", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def open_app(data_folder: Path, made_run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens a page as a new visitor: ``open_app("Map", run=DIR, color="group")``; further names are the address."""

    monkeypatch.setattr("dashboard.startup.after_first_page", lambda: None)  # it would go on beside other tests

    def open_page(page: str = "Overview", run: Path | None = made_run, **address: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app.py", *(["--run", str(run)] if run else [])])
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, text in address.items():
            app.query_params[name.rstrip("_").replace("_", "-")] = text
        if page in ADDRESSED_OTHERWISE:
            app.run()
        return (app if page == "Overview" else app.switch_page(PAGES[page])).run()

    return open_page
