"""Pages that show single samples, over a run of three repetitions."""

from __future__ import annotations

import pytest

from probing_core.results import Run


def last_sample(run: Run, transform: str) -> int:
    rows = run.samples[(run.samples["transform"] == transform) & (run.samples["repetition"] == 2)]
    return int(rows["sample"].iloc[0])


@pytest.mark.parametrize("page", ["Overview", "Explore", "Map", "Confusion", "Generalization"])
def test_opens(open_app, repeated_run, page):
    chosen = last_sample(Run.open(repeated_run), "rotate")
    address = {"selected": str(chosen), "arrows": "True"} if page == "Map" else {}
    app = open_app(page, run=repeated_run, **address)
    assert not app.exception
    assert not app.error


def test_confusion_counts_the_samples_of_all_repetitions(open_app, repeated_run):
    run = Run.open(repeated_run)
    app = open_app("Confusion", run=repeated_run)
    captions = " ".join(caption.value for caption in app.caption)
    assert f"{3 * 31 * int(run.images['used'].sum()):,} tested samples" in captions
