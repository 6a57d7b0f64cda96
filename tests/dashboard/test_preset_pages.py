"""Every page over runs of the protocols of others: severities as strengths, and operations that have but one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard.conftest import PAGES
from tests.preset_runs import run_preset

pytestmark = pytest.mark.slow

CHOSEN = {"traces": "traces/resample-box", "imagenet-c/extra": "imagenet-c/spatter"}


@pytest.fixture(scope="module", params=[("traces", 6), ("imagenet-c/extra", 32)], ids=lambda param: param[0])
def preset_run(request, tmp_path_factory) -> tuple[str, Path]:
    preset, pictures = request.param
    return preset, run_preset(tmp_path_factory.mktemp("preset"), preset, pictures)[0]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_over_a_run_of_a_preset(open_app, preset_run, page):
    preset, run = preset_run
    app = open_app(page, run=run, **({"transform": CHOSEN[preset]} if page == "Explore" else {}))
    assert not app.exception
    assert not app.error
    assert len(app.title) == 1
    if page == "Explore":
        assert app.session_state["transform"] == CHOSEN[preset]
