"""Photographs, crops and samples are counted alike on every page."""

from __future__ import annotations

import re

import pytest

from dashboard.components.explorer import MOST_MODELS
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run, summaries
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.data import default_models
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


def test_numbers_of_models_on_pages_add_up_to_the_summary_of_the_run(open_app):
    """The ranking, its table and the explorer count models without additional seeds, like the sidebar."""
    run = Run.open(REFERENCE)
    models = with_place(run.models["name"])
    app = open_app("Models", run=REFERENCE)
    summary = next(box.value for box in app.sidebar.caption if "photographs" in box.value)
    parts = re.findall(r"(\d+) (?:encoder|intermediate layer|baseline)s?\b", summary)
    assert sum(map(int, parts)) == len(models)
    (table,) = [box.label for box in app.expander if box.label.startswith("Table of")]
    assert re.findall(r"\d+", table) == [str(len(models)), str(len(run.models) - len(models))]
    shown = unescaped(open_app("Explore", run=REFERENCE))
    drawn = {model.name for model in explorer_data(run, default_models(run, MOST_MODELS)).models}
    assert drawn < set(models)
    for model in models:
        assert (f"{model_title(model)}" in shown.partition("Models without a map in this run:")[2]) == (
            model not in drawn
        )
