"""Rights where they are asked for: deep down, whatever a page shows."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import streamlit as st
from streamlit.runtime.context import StreamlitHeaders

from dashboard import rights
from dashboard.jobs import processes, scans
from dashboard.rights import NotAllowed
from dashboard.views import try_folder as scan_page
from probing_core.errors import ModelUnavailable
from probing_core.models import hub

LOCAL = [("Host", "127.0.0.1:8501"), ("Origin", "http://127.0.0.1:8501"), ("User-Agent", "a browser")]
ELSEWHERE = [*LOCAL, ("X-Forwarded-For", "127.0.0.1")]

VISITOR = "is not available to visitors. Open this dashboard on the machine that runs it, or through an SSH tunnel"


@dataclass(frozen=True)
class Case:
    """Who asks, and what comes of it.

    Attributes:
        reads: words of the refusal; empty if they have rights.
        headers: of the request.
        here: whether the server listens on this machine alone.
    """

    reads: str
    headers: list[tuple[str, str]] = field(default_factory=ELSEWHERE.copy)
    here: bool = True


CASES = [
    Case("", LOCAL),
    Case("", LOCAL[:1]),
    Case("", [("Host", "[::1]:8501")]),
    Case("", [("host", "localhost")]),
    Case("", [("Host", "127.0.0.1:x")]),
    Case("", [("Host", "localhost:9000"), ("Origin", "http://localhost:9000")]),  # an SSH tunnel from another port
    Case(VISITOR, LOCAL, here=False),
    Case(VISITOR, []),  # of a visitor who has just left
    Case(VISITOR, [*LOCAL, LOCAL[0]]),
    Case(VISITOR, [("Host", "127.0.0.1@evil.example")]),
    Case(VISITOR, [("Host", "")]),
    Case(VISITOR, [("Host", "0.0.0.0:8501")]),
    Case(VISITOR, [("Host", "2130706433")]),
    Case(VISITOR, [LOCAL[0], ("Origin", "http://evil.example")]),
    Case(VISITOR, [LOCAL[0], ("Origin", "null")]),
    *(Case(VISITOR, [*LOCAL, (name, "::1")]) for name in ("X-Forwarded-For", "forwarded", "VIA", "Fly-Client-IP")),
]


@pytest.fixture
def asked(monkeypatch):
    """Makes this process a server that is asked as a case says."""

    def ask(case: Case) -> None:
        monkeypatch.setattr(rights, "_listens_here_alone", lambda: case.here)
        monkeypatch.setattr(st, "context", SimpleNamespace(headers=StreamlitHeaders(case.headers)))
        monkeypatch.setattr(rights._served, "is_set", lambda: True)

    return ask


@pytest.mark.parametrize("case", CASES)
def test_who_has_rights_and_what_the_others_read(asked, case):
    asked(case)
    assert rights.allowed() is rights.on_this_machine() is not bool(case.reads)
    if case.reads:
        with pytest.raises(NotAllowed, match=f"^Starting a run {re.escape(case.reads)}"):
            rights.require("Starting a run")
    else:
        rights.require("Starting a run")


def test_what_a_process_listens_on_decides_and_not_what_a_setting_names():
    rights._listens_here_alone.cache_clear()
    with socket.create_server(("127.0.0.1", 0)):
        here = rights._listens_here_alone()
        rights._listens_here_alone.cache_clear()
        with socket.create_server(("0.0.0.0", 0)):
            everywhere = rights._listens_here_alone()
    rights._listens_here_alone.cache_clear()
    assert (here, everywhere) == (True, False)


ACTS = [
    ("Starting a run", lambda folder: processes.start(folder / "run", [])),
    ("Starting a run", lambda folder: processes.measured(folder / "run", [])),
    ("Starting a run", processes.resume),
    ("Scanning a folder", lambda folder: scans.start(folder / "scan", folder, folder, None)),
    ("Scanning a folder", scans.resume),
    ("Removing a scan", scans.remove),
    ("Canceling a computation", processes.cancel),
    ("Canceling a computation", processes.stop),
    ("Removing a run", processes.remove),
    ("Selecting a folder", lambda folder: scan_page._existing(str(folder))),
    ("Reading the results of a scan", scan_page._results),
]


@pytest.mark.parametrize(("what", "act"), ACTS)
def test_what_starts_a_job_or_reads_a_folder_refuses_a_visitor(asked, tmp_path: Path, what, act, monkeypatch):
    monkeypatch.setattr(processes.subprocess, "Popen", lambda *a, **k: pytest.fail("a process was started"))
    asked(Case(VISITOR))
    with pytest.raises(NotAllowed, match=f"^{what} {re.escape(VISITOR)}"):
        act(tmp_path)
    assert tmp_path.is_dir()
    assert not list(tmp_path.iterdir())


def test_everything_that_needs_rights_is_tried():
    assert {what for what, _ in ACTS} == set(get_args(rights.Guarded))


def test_a_visitor_downloads_no_model(monkeypatch):
    monkeypatch.setattr(hub, "answers", lambda *a: pytest.fail("a host was asked"))
    with hub.no_downloads(), pytest.raises(ModelUnavailable, match="downloads are disabled"):
        hub.fetch_repository("some/repo", "hf:some/repo")
    monkeypatch.setattr(hub, "answers", lambda *a: False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(ModelUnavailable, match="did not respond"):
        hub.fetch_repository("some/repo", "hf:some/repo")
