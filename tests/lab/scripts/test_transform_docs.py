"""docs/transforms.md is what the catalog holds today."""

from __future__ import annotations

import pytest

from lab.devtools.commands import generated
from lab.scripts.transform_docs import BEGIN, PAGE, cells, measured
from probing_core.transforms import CATALOG, Transform

pytestmark = pytest.mark.slow

MEASURED = [t for t in CATALOG.own if not t.name.startswith("style-arbitrary") or t.name == "style-arbitrary-1"]
"""One of the eleven that share the slow network stands for them."""

REGENERATE = "run `python -m lab.scripts.transform_docs`"


def table_rows() -> dict[str, list[str]]:
    part = generated(PAGE.read_text(encoding="utf-8"), BEGIN)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return {row[1]: row for row in rows if row[0] not in ("group", "---")}


def test_every_entry_has_its_row() -> None:
    rows = table_rows()
    assert list(rows) == [t.name for t in CATALOG.own], REGENERATE
    for transform in CATALOG.own:
        assert rows[transform.name][:-2] == cells(transform), REGENERATE


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in MEASURED])
def test_distances_are_current(transform: Transform) -> None:
    distance, visible = measured(transform)
    row = table_rows()[transform.name]
    assert float(row[-2]) == pytest.approx(distance, abs=0.02), REGENERATE
    assert float(row[-1].rstrip("%")) == pytest.approx(100 * visible, abs=3), REGENERATE
