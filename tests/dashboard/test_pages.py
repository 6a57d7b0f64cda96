"""Every page opens over the made run and over no run, and says in one sentence what is missing."""

from __future__ import annotations

import pytest

from tests.dashboard.conftest import PAGES


@pytest.mark.parametrize("page", PAGES)
def test_opens(open_app, page):
    app = open_app(page)
    assert not app.exception
    assert app.title[0].value
