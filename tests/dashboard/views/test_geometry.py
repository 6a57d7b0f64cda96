"""The page Geometry without a browser."""

from __future__ import annotations

from probing_core.results import Run
from tests.dashboard.app_reading import label, texts
from tests.dashboard.conftest import REFERENCE


def test_geometry_notes_what_must_be_known_of_its_numbers(open_app):
    one, together = open_app("Geometry", run=REFERENCE), open_app("Geometry", run=REFERENCE, whose="all")
    assert not one.exception
    assert not together.exception
    for name, app in (("composition", one), ("dimension", together), ("erasure", together)):
        table = Run.open(REFERENCE).table(f"tables/{name}.parquet")
        if name == "composition":  # of one model
            table = table[table["model"] == label(app, "selectbox", "Model").value]
        notes = set(table["note"]) - {""}
        assert notes
        assert all(note[1:] in texts(app) for note in notes)
