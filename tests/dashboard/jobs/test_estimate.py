from __future__ import annotations

import json
import time

import pytest

from dashboard.jobs.estimate import PROBES_AND_MAP_S, Speed, estimate

PIXELS = "baseline/pixels"


def test_a_rough_estimate_grows_with_everything():
    least = estimate(10, 5, [PIXELS], 128)
    assert least.samples > estimate(10, 5, [PIXELS], 128, few=True).samples == 70
    assert not least.measured
    for more in (
        estimate(20, 5, [PIXELS], 128),
        estimate(10, 5, ["timm:vit_base_patch16_224.mae"], 128),
        estimate(10, 5, [PIXELS], 256),
    ):
        assert more.seconds > least.seconds


def test_what_was_measured_is_used():
    told = {
        "cores": 2,
        "make_s": 0.01,
        "models": {"a": {"load_s": 1, "embed_s": 0.02, "dim": 100}, "b": {"error": "No."}},
    }
    speed = Speed.from_json(json.dumps(told))
    known = estimate(100, 8, ["a"], 224, speed, few=True)
    assert known.measured
    assert known.seconds == pytest.approx(1000 * (0.01 / 2 + 0.02) + PROBES_AND_MAP_S)
    assert known.megabytes == pytest.approx(1000 * 100 * 4 / 1e6)
    assert speed.errors == {"b": "No."}
    assert not estimate(100, 8, ["a", "b"], 224, speed).measured


def test_the_page_measures_this_machine(open_app):
    app = open_app("New run")
    app.multiselect(key="new-models").set_value([PIXELS]).run()
    app.multiselect(key="new-groups").set_value(["tone"]).run()
    next(b for b in app.button if b.label == "Measure on this machine").click().run()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and "Time, measured" not in {m.label for m in app.metric}:
        assert not app.exception
        time.sleep(0.5)
        app.run()
    assert "Time, measured" in {m.label for m in app.metric}
    assert not app.warning
