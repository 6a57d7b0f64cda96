"""What is made ready before somebody asks."""

from __future__ import annotations

import asyncio
import sys

import pytest

import probing_core.results
from dashboard import warm
from tests.dashboard.conftest import PAGES
from tests.dashboard.test_pages import REFERENCE


def start() -> None:
    async def serve() -> None:
        async with warm.before_serving(None):
            pass

    asyncio.run(serve())


def test_the_first_page_finds_its_ranking_ready(open_app, monkeypatch):
    ranked = []
    rank = probing_core.results.leaderboard
    monkeypatch.setattr(probing_core.results, "leaderboard", lambda *a: ranked.append(a) or rank(*a))
    warm.data._board.clear()
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(REFERENCE)])
    start()
    assert len(ranked) == 1
    app = open_app(run=REFERENCE)
    assert not app.exception
    assert len(app.dataframe)
    assert len(ranked) == 1
    assert not app.switch_page(PAGES["Overview"]).run().exception


@pytest.mark.parametrize("broken", ["no manifest", "no scores"])
def test_a_run_that_cannot_be_read_does_not_keep_the_server_from_starting(broken, tmp_path, monkeypatch):
    (tmp_path / "run.toml").write_bytes((REFERENCE / "run.toml").read_bytes())
    if broken == "no scores":
        (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(tmp_path)])
    start()


def test_what_fails_here_is_left_to_the_page(monkeypatch):
    monkeypatch.setattr(warm.data, "places", lambda: 1 / 0)
    start()
