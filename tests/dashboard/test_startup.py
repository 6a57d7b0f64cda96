"""What is made ready before somebody asks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import nullcontext

import pytest

from dashboard import startup
from dashboard.components import explorer
from dashboard.data import previews
from probing_core.errors import BadRun
from probing_core.transforms import bank
from tests.dashboard.conftest import REFERENCE
from tests.dashboard.serving import completed


def start() -> None:
    async def serve() -> None:
        async with startup.before_serving(None):
            pass

    completed(serve())


def test_the_first_page_finds_its_explorer_ready(open_app, monkeypatch):
    made = []
    make = explorer.explorer_data
    monkeypatch.setattr(explorer, "explorer_data", lambda *a: made.append(a) or make(*a))
    explorer.explorer_of.clear()
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(REFERENCE)])
    start()
    assert len(made) == 1
    assert not open_app(run=REFERENCE).exception
    assert len(made) == 1


@pytest.mark.parametrize("has_records", [False, True])
def test_a_run_that_cannot_be_read_does_not_keep_the_server_from_starting(has_records, data_folder, monkeypatch):
    broken = data_folder / "broken"
    (broken / "tables").mkdir(parents=True)
    (broken / "run.toml").write_bytes((REFERENCE / "run.toml").read_bytes())
    (broken / "tables" / "scores.parquet").write_bytes(b"no table")
    if has_records:
        shutil.copytree(REFERENCE / "done", broken / "done")
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(broken)])
    with nullcontext() if has_records else pytest.raises(BadRun):  # a corrupted table counts as missing
        startup.first_page()
    start()


def test_what_fails_here_is_logged_and_left_to_the_page(monkeypatch, caplog):
    monkeypatch.setattr(startup.cache, "places", lambda: 1 / 0)
    start()
    assert "The first page could not be prepared: division by zero" in caplog.text


def test_other_pages_find_what_takes_long_ready_once_for_the_server(monkeypatch, caplog):
    made = []
    strip = previews._strip
    monkeypatch.setattr(previews, "_strip", lambda *asked: made.append(asked) or strip(*asked))
    monkeypatch.setattr(sys, "argv", ["app.py", "--run", str(REFERENCE)])
    monkeypatch.setattr(startup, "PAUSE_S", 0.01)
    for prepared in (previews.shared_sheet, startup.after_first_page):
        prepared.clear()
    for _ in range(2):
        startup.after_first_page().join()
    startup.after_first_page.clear()
    assert not caplog.text
    assert len(made) == len(bank()), "each strip of the sheet once"


ENDS_MEANWHILE = """
import time
from dashboard import startup

startup.PAUSE_S = float({pause})
startup.other_pages = lambda: (print("begun", flush=True), time.sleep(1), print("ended", flush=True))
startup.after_first_page()
time.sleep(0.5)
"""


@pytest.mark.parametrize(("pause", "printed"), [(0, ["begun", "ended"]), (60, [])])
def test_a_process_that_ends_waits_only_for_a_computation_that_has_begun(pause, printed):
    code = ENDS_MEANWHILE.format(pause=pause)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == printed
