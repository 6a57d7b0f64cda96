"""What is made ready before somebody asks."""

from __future__ import annotations

import asyncio
import sys

import pytest

import probing_core.results
from dashboard import startup
from probing_core.errors import BadRun
from tests.dashboard.conftest import PAGES
from tests.dashboard.test_pages import REFERENCE


def start() -> None:
    async def serve() -> None:
        async with startup.before_serving(None):
            pass

    asyncio.run(serve())


def test_the_first_page_finds_its_ranking_ready(open_app, monkeypatch):
    ranked = []
    rank = probing_core.results.leaderboard
    monkeypatch.setattr(probing_core.results, "leaderboard", lambda *a: ranked.append(a) or rank(*a))
    startup.cache._board.clear()
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(REFERENCE)])
    start()
    assert len(ranked) == 1
    app = open_app(run=REFERENCE)
    assert not app.exception
    assert len(app.dataframe)
    assert len(ranked) == 1
    assert not app.switch_page(PAGES["Overview"]).run().exception


@pytest.mark.parametrize("manifest", [None, b"{}"])
def test_a_run_that_cannot_be_read_does_not_keep_the_server_from_starting(manifest, data_folder, monkeypatch):
    broken = data_folder / "broken"
    (broken / "tables").mkdir(parents=True)
    (broken / "run.toml").write_bytes((REFERENCE / "run.toml").read_bytes())
    (broken / "tables" / "scores.parquet").write_bytes(b"no table")
    if manifest is not None:
        (broken / "manifest.json").write_bytes(manifest)
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(broken)])
    with pytest.raises(BadRun):
        startup._first_page()
    start()


def test_what_fails_here_is_told_and_left_to_the_page(monkeypatch, caplog):
    monkeypatch.setattr(startup.cache, "places", lambda: 1 / 0)
    start()
    assert "The first page was not prepared: division by zero" in caplog.text


def test_uploads_stay_in_memory_while_they_arrive(monkeypatch):
    """What is larger than the server's own limit of a megabyte is not written into a file."""
    import tempfile

    from starlette.datastructures import Headers
    from starlette.formparsers import MultiPartParser

    from dashboard.widgets.upload import MEGABYTES

    monkeypatch.setattr(startup, "_first_page", lambda: None)
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 2**20)
    start()
    rolled = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled.append)
    picture = bytes(MEGABYTES * 2**20)

    async def body():
        yield (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="mine.png"\r\n\r\n'
            + picture
            + b"\r\n--x--\r\n"
        )

    headers = Headers({"content-type": "multipart/form-data; boundary=x"})
    form = asyncio.run(MultiPartParser(headers, body()).parse())
    assert form["file"].size == len(picture)
    assert not rolled
