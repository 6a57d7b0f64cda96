"""Pictures of charts name the run, its photographs and models, and the day on which it was computed."""

from __future__ import annotations

from dashboard.data.source import about_picture, source_of

from probing_core import __version__
from probing_core.results import Run
from probing_core.run.store import COMPLETED, note_event


def test_a_picture_names_run_photographs_models_date_and_software(made_run, shipped_run):
    run = Run.open(made_run)
    photographs = run.images.loc[run.images["used"], "base_id"].nunique()
    models = len(run.models)
    undated = f"Run made · {photographs} photographs · {models} models · probing-core {__version__}"
    assert source_of(run) == undated
    note_event(shipped_run, date="2026-02-03T04:05:06+00:00", event=COMPLETED)
    assert " · 2026-02-03 · " in source_of(Run.open(shipped_run))


def test_the_title_of_a_picture_has_no_full_stop_and_its_colors_are_light():
    about = about_picture("Recall of each group.")
    assert about["title"] == "Recall of each group"
    assert about["paper"]["background"] == "#ffffff"
