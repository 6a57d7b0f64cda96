"""What each page reads of a run is what `dashboard.reads` says, no more and no less."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import streamlit as st
from probing_core.compute.live.fusion import starting_rule

from dashboard.data import predictions
from dashboard.reads import ALL_TABLES, EVERY_PAGE, READS
from lab.devtools.made_run import KEY
from probing_core.compute.names import DETECTOR, FUSION, NOVELTY, READINGS
from probing_core.run import layout
from probing_core.run.store import Store
from probing_core.transforms import bank
from tests.dashboard.conftest import PAGES, REFERENCE
from tests.dashboard.reads import FILES, not_declared, recorded, titled
from tests.made_studies import add_studies

PIXELS = "baseline/pixels"
VISITS: dict[str, tuple[dict[str, str], ...]] = {
    "Overview": ({"task": "group-0"}, {"run": "reference"}),
    "Explore": ({"models": PIXELS, "ask": "True"}, {"run": "made", "models": PIXELS}),
    "Map": tuple({"models": PIXELS, "reading": each, "color": "correct"} for each in READINGS),
    "Confusion": ({}, {"task": "group-0"}),
    "Layers": ({"run": "reference"},),
    "Retrieval": ({"models": PIXELS, "ask": "True"},),
    "Geometry": ({"whose": "all"}, {"whose": "one"}),
    "Methods and data": ({"show_checks": "True"},),
    "Try your images": ({"models": PIXELS, "samples": "coffee/00", "neighbors": "True"},),
}
"""Page -> addresses that together show all that it reads; other pages show it at once."""

FROM_THE_REFERENCE = (
    layout.DETECTOR_FILE,
    layout.scored_views_path(DETECTOR),
    layout.scored_views_path(PIXELS),
    layout.probe_path(PIXELS, NOVELTY),
)


@pytest.fixture(scope="module")
def runs(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs by name; ``whole`` has embeddings, every table of studies, and all that live predictions read."""
    whole = add_studies(shutil.copytree(made_run, tmp_path_factory.mktemp("reads") / "whole"))
    store = Store(whole)
    for path in FROM_THE_REFERENCE:
        store.write_bytes(path, Store(REFERENCE).read_bytes(path), KEY)
    groups = [transform.group for transform in bank()]
    store.write_bytes(layout.probe_path(PIXELS, FUSION), starting_rule(groups).to_bytes(), KEY)
    return {"whole": whole, "made": made_run, "reference": REFERENCE}


def test_every_page_is_there_and_reads_files_of_the_table_of_runs():
    assert set(READS) == set(PAGES)
    assert {path for files in (*READS.values(), EVERY_PAGE) for path in files} <= {path for path, _ in FILES}


@pytest.mark.parametrize("page", READS)
def test_a_page_reads_all_that_it_is_said_to(open_app, runs, page, monkeypatch):
    """Loaded in the page's own thread, from empty caches; that it reads nothing else is asked of every test."""
    monkeypatch.setattr(predictions, "prepare", lambda *_: None)
    monkeypatch.setattr(predictions, "loading", lambda *_: iter(()))
    with recorded() as found:
        for address in VISITS.get(page, ({},)):
            st.cache_resource.clear()
            app = open_app(page, **address | {"run": runs[address.get("run", "whole")]})
            assert not app.exception
    read = found[titled(page)]
    assert set(READS[page]) - read == set()
    assert not not_declared(page, read)


def test_what_is_not_declared_is_found():
    read = {*EVERY_PAGE, *READS["Confusion"], "tables/claims.parquet"}
    assert not_declared("Confusion", read) == {"tables/claims.parquet"}
    assert not not_declared(ALL_TABLES, read)
