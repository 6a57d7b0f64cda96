"""Photographs, crops and samples are counted alike on every page."""

from __future__ import annotations

import re

import pytest

from probing_core.results import Run, summaries
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.shared_file import leaving, licenses_of
from tests.dashboard.app_reading import unescaped
from tests.dashboard.conftest import ADDRESSES, REFERENCE


def counts_of(run: Run, column: str) -> set[int]:
    """Return the counts of photographs or crops: of all, and of each split."""
    used = run.images[run.images["used"]]
    return {used[column].nunique(), *used.groupby("split")[column].nunique()}


@pytest.mark.parametrize("page", [*ADDRESSES, "the file"])
def test_no_page_takes_crops_for_photographs(open_app, page):
    run = Run.open(REFERENCE)
    photographs, crops = counts_of(run, "base_id"), counts_of(run, "image_id")
    assert photographs.isdisjoint(crops - photographs), "the reference run tells them apart"
    if page == "the file":
        data = explorer_data(run)
        words = leaving(data, *licenses_of(run, data))
    else:
        words = unescaped(open_app(page, run=REFERENCE))
    found = re.findall(r"(\d[\d,]*) (?:\w+ )?(photograph|crop|sample|image)s?\b", words)
    numbers = {noun: {int(n.replace(",", "")) for n, kind in found if kind == noun} for _, noun in found}
    assert numbers.get("photograph", set()).isdisjoint(crops - photographs)
    # Layers also says of how many training crops its probes learned.
    assert numbers.get("crop", set()) <= crops | set(summaries.training_crops(run).values())
    assert numbers.get("image", set()).isdisjoint(crops | photographs), "an image is neither"
