"""The page Geometry without a browser."""

from __future__ import annotations

import pytest

from probing_core.results import Run
from tests.dashboard.app_reading import figures, label, texts
from tests.dashboard.conftest import REFERENCE


def test_geometry_notes_what_must_be_known_of_its_numbers(open_app):
    one = open_app("Geometry", run=REFERENCE, show_composition="True")
    together = open_app("Geometry", run=REFERENCE, whose="all")
    assert not one.exception
    assert not together.exception
    for name, app in (("composition", one), ("dimension", together), ("erasure", together)):
        table = Run.open(REFERENCE).table(f"tables/{name}.parquet")
        if name == "composition":  # of one model
            table = table[table["model"] == label(app, "selectbox", "Model").value]
        notes = set(table["note"]) - {""}
        assert notes
        assert all(note[1:] in texts(app) for note in notes)


def test_what_transformations_are_drawn_with_is_what_the_run_measured(open_app):
    table = Run.open(REFERENCE).table("tables/ood.parquet")
    model = label(app := open_app("Geometry", run=REFERENCE), "selectbox", "Model").value
    mine = table[(table["model"] == model) & (table["measure"] == "auroc") & (table["method"] == "mahalanobis")]
    dots = next(t for f in figures(app) for t in f["data"] if t.get("name") == "Mahalanobis")
    assert dict(zip(dots["customdata"], dots["x"], strict=True)) == pytest.approx(
        dict(zip(mine["transform"], 100 * mine["value"], strict=True))
    )


def test_a_run_without_studies_says_so_once(open_app):
    app = open_app("Geometry")
    assert len([box for box in app.info if "photographs on" in box.value]) == 1
    assert not app.subheader
