"""All tables of studies together; each study's own test checks its numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab.devtools.run_edits import put
from probing_core.compute.studies import can_study
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from probing_core.run.studies import STUDIES, study_step
from tests.compute.studies.made import RECIPE, images
from tests.plans import visited

pytestmark = pytest.mark.slow

FORMAT = (Path(__file__).resolve().parents[3] / "docs" / "run-format.md").read_text(encoding="utf-8")
NAMES = [study.name for study in STUDIES]


def documented(table: str) -> list[str]:
    """The columns of ``tables/<table>.parquet`` in docs/run-format.md."""
    section = FORMAT.partition("\n## Studies\n")[2]
    row = next(line for line in section.splitlines() if line.startswith(f"| `tables/{table}.parquet` |"))
    return re.findall(r"`([a-z_0-9]+)`", row.split("|")[2])


@pytest.mark.parametrize("name", NAMES)
def test_study_columns_are_documented_in_order(tables, name):
    assert list(tables[name]) == documented(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "uses"])
def test_study_intervals_contain_their_values(tables, name):
    rows = tables[name]
    ends = [c for c in rows if c == "low" or c.endswith("_low")]
    assert ends
    for low in ends:
        if low == "threshold_low" and name == "duplicates":
            continue  # its end is a cosine of a pair, which resamples share
        high = low.replace("low", "high")
        stem = low.removesuffix("low").removesuffix("_")
        value = next(c for c in (f"{stem}_hit", f"{stem}_rate", stem, "value", "threshold") if c in rows)
        known = rows.dropna(subset=[low])
        assert len(known) > 0.9 * rows[value].notna().sum()
        assert (known[low] <= known[value] + 1e-6).all(), low
        assert (known[value] <= known[high] + 1e-6).all(), high


@pytest.mark.parametrize("kept", [29, 62])
def test_can_study_requires_images_in_every_split(kept):
    table = images()
    assert can_study(table)
    table["used"] = np.arange(len(table)) < kept  # 29 photographs; or 62, and none of the test split
    assert not can_study(table)


def test_studied_models_include_only_the_last_of_all_layers(tmp_path):
    store, request = RunFiles(tmp_path / "run"), "a/network@layer=all"
    put(store, {layout.IMAGES: images()})
    for position, name in enumerate(("a/network@layer=1", "a/network@layer=2")):
        entry = {"name": name, "request": request, "position": position, "family": "made", "objective": "none"}
        put(store, {layout.model_path(name): entry | {"dim": 8, "recipe": {}}})
    steps = visited(store.root, recipe=replace(RECIPE, models=(request,))).visited
    studied = [study_step(name, "geometry") for name in ("a/network@layer=1", "a/network@layer=2")]
    assert [step in steps for step in studied] == [False, True]
