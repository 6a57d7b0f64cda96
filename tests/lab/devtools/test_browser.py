from __future__ import annotations

import psutil

from lab.devtools.browser import IN_BROWSER, uninspected_browser

pytestmark = IN_BROWSER


def test_no_process_of_a_browser_remains():
    before = set(psutil.Process().children(recursive=True))
    with uninspected_browser() as new_page, new_page():
        started = set(psutil.Process().children(recursive=True)) - before
        assert len(started) > 1
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive
