from __future__ import annotations

import pytest

from lab.devtools.browser import IN_BROWSER
from lab.scripts import page_speed
from lab.scripts.sessions import measure

pytestmark = [*IN_BROWSER, pytest.mark.slow]


def test_two_sessions_walk_all_pages_and_upload_without_errors(made_run):
    found = measure(["--run", str(made_run)], sessions=2, uploads=1, farewell_s=0)
    assert not found["errors"]
    assert found["page_change"]["count"] == found["page_change_in_the_browser"]["count"] > 1
    assert found["upload"]["count"] >= 1
    assert found["upload_in_the_browser"]["count"] >= 1
    for kind in ("own", "resident"):
        assert 0 < found["server_mb"]["before"][kind] <= found["server_mb"]["highest"][kind]
    assert found["server_mb"]["before"]["own"] < found["server_mb"]["before"]["resident"]


def test_waits_are_measured(made_run):
    found = page_speed.measure(["--run", str(made_run)], 1, list(page_speed.KINDS))
    assert all(found[kind]["median_s"] > 0 for kind in page_speed.KINDS)
