from __future__ import annotations

import pytest

from lab.benchmarks import explorer
from lab.devtools.browser import IN_BROWSER

pytestmark = IN_BROWSER


def test_the_benchmark_measures(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explorer, "POINTS", {"500": 500})
    monkeypatch.setattr(explorer, "CHANGES", 1)
    measured = explorer.run()["explorer"]
    assert measured["released_500"] > 0
    assert measured["live_500"] > 0
