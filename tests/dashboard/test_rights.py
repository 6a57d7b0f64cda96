"""Rights where they are asked for: deep down, whatever a page shows."""

from __future__ import annotations

import socket
import tomllib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.runtime.context import StreamlitHeaders
from streamlit.runtime.secrets import AttrDict
from streamlit.testing.v1 import AppTest

from dashboard import rights
from dashboard.data import cache
from dashboard.jobs import scans, worker
from dashboard.rights import Attempts, NotAllowed
from probing_core.embedders import hub
from probing_core.errors import ModelUnavailable
from probing_core.paths import PASSWORD_FILE
from probing_core.runs.store import Store

LOCAL = [("Host", "127.0.0.1:8501"), ("Origin", "http://127.0.0.1:8501"), ("User-Agent", "a browser")]


LISTED = {"probing": {"allowed": ["a@x.org"]}}
EVERYONE = {"probing": {"allowed": "everyone"}}


@pytest.fixture
def asked(monkeypatch):
    """Makes this process a server that listens here alone, asked by a client with these headers."""

    def ask(headers: list[tuple[str, str]], here: bool = True) -> None:
        monkeypatch.setattr(rights, "_listens_here_alone", lambda: here)
        monkeypatch.setattr(st, "context", SimpleNamespace(headers=StreamlitHeaders(headers)))
        monkeypatch.setattr(rights._served, "is_set", lambda: True)

    monkeypatch.delenv(PASSWORD_FILE, raising=False)
    return ask


@pytest.mark.parametrize(
    ("headers", "here", "expected"),
    [
        (LOCAL, True, True),
        (LOCAL[:1], True, True),
        ([("Host", "[::1]:8501")], True, True),
        ([("host", "localhost")], True, True),
        (LOCAL, False, False),
        ([], True, False),  # of a visitor who has just left
        ([*LOCAL, LOCAL[0]], True, False),
        ([("Host", "127.0.0.1@evil.example")], True, False),
        ([("Host", "")], True, False),
        ([("Host", "0.0.0.0:8501")], True, False),
        ([("Host", "2130706433")], True, False),
        ([("Host", "127.0.0.1:x")], True, True),
        ([LOCAL[0], ("Origin", "http://evil.example")], True, False),
        ([LOCAL[0], ("Origin", "null")], True, False),
        *(([*LOCAL, (name, "::1")], True, False) for name in ("X-Forwarded-For", "forwarded", "VIA", "Fly-Client-IP")),
    ],
)  # fmt: skip
def test_who_is_on_this_machine(asked, headers, here, expected):
    asked(headers, here)
    assert rights.on_this_machine() is expected


def test_what_a_process_listens_on_decides_and_not_what_a_setting_names():
    rights._listens_here_alone.cache_clear()
    with socket.create_server(("127.0.0.1", 0)):
        here = rights._listens_here_alone()
        rights._listens_here_alone.cache_clear()
        with socket.create_server(("0.0.0.0", 0)):
            everywhere = rights._listens_here_alone()
    rights._listens_here_alone.cache_clear()
    assert (here, everywhere) == (True, False)


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: worker.start(folder / "run", []),
        lambda folder: worker.scan(folder / "scan", folder, folder, None),
        lambda folder: scans.start(folder / "scan", folder, folder, None),
        scans.resume,
        scans.remove,
        lambda folder: worker.draw_maps(folder, ["baseline/pixels"]),
        worker.cancel,
        worker.remove,
        lambda folder: cache.corpus_size(f"folder:{folder}"),
        lambda folder: cache.corpus_size("photos"),
        lambda folder: cache.damage_of(SimpleNamespace(store=Store(folder))),
        lambda folder: cache.dimension(f"file:{folder}"),
    ],
)
def test_what_starts_a_job_or_reads_a_folder_refuses_a_visitor(asked, tmp_path: Path, act, monkeypatch):
    monkeypatch.setattr(worker.subprocess, "Popen", lambda *a, **k: pytest.fail("a process was started"))
    asked([*LOCAL, ("X-Forwarded-For", "127.0.0.1")])
    with pytest.raises(NotAllowed, match="is open on the machine itself alone, since no password is set"):
        act(tmp_path)
    assert tmp_path.is_dir()
    assert not list(tmp_path.iterdir())


def test_a_visitor_downloads_no_model(monkeypatch):
    monkeypatch.setattr(hub, "answers", lambda *a: pytest.fail("a host was asked"))
    with hub.no_downloads(), pytest.raises(ModelUnavailable, match="may not download it"):
        hub.fetch_repository("some/repo", "hf:some/repo")
    monkeypatch.setattr(hub, "answers", lambda *a: False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(ModelUnavailable, match="did not answer"):
        hub.fetch_repository("some/repo", "hf:some/repo")


def test_wrong_passwords_wait_twice_as_long_each_time(monkeypatch):
    now = 0.0
    monkeypatch.setattr(rights.time, "monotonic", lambda: now)
    attempts, waits = Attempts(), []
    for _ in range(rights.FREE_ATTEMPTS + 12):
        while "Too many" in (answer := attempts.check("wrong", "right")):
            now += 1.0
        assert answer == "This is not the password."
        waits.append(now)
    gaps = [b - a for a, b in pairwise(waits)]
    assert gaps[: rights.FREE_ATTEMPTS] == [0.0] * rights.FREE_ATTEMPTS
    assert gaps[rights.FREE_ATTEMPTS :] == [min(2.0**n, rights.LONGEST_DELAY_S) for n in range(1, 12)]
    assert "Too many" in attempts.check("right", "right"), "nothing is compared meanwhile"
    now += rights.LONGEST_DELAY_S
    assert attempts.check("right", "right") == ""
    assert attempts.check("wrong", "right") == "This is not the password."


@pytest.mark.parametrize(("given", "same"), [("pässword ✓", True), ("passwort", False), ("", False), ("\ud800", False)])
def test_passwords_are_compared(given, same):
    assert (Attempts().check(given, "pässword ✓") == "") is same


def signed_in(user: dict, secrets: dict, monkeypatch) -> bool:
    monkeypatch.setattr(st, "user", user)
    monkeypatch.setattr(st, "secrets", secrets)
    return rights.is_signed_in()


@pytest.mark.parametrize(
    ("user", "secrets", "expected"),
    [
        ({}, {}, False),
        ({"is_logged_in": False}, {}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": {}}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": {"alowed": ["a@x.org"]}}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": {"allowed": ["a@x.org"], "more": 1}}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": {"allowed": True}}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": "everyone"}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, EVERYONE, True),
        ({"is_logged_in": True}, EVERYONE, True),
        ({"is_logged_in": False, "email": "a@x.org"}, EVERYONE, False),
        ({"is_logged_in": True, "email": "a@x.org"}, LISTED, True),
        ({"is_logged_in": True, "email": "b@x.org"}, LISTED, False),
        ({"is_logged_in": True}, LISTED, False),
        ({"is_logged_in": True, "email": "a@x.org", "email_verified": False}, LISTED, False),
        ({"is_logged_in": True, "email": "a@x.org", "email_verified": "false"}, LISTED, False),
        ({"is_logged_in": True, "email": "a@x.org", "email_verified": None}, LISTED, False),
        ({"is_logged_in": True, "email": "a@x.org", "email_verified": "true"}, LISTED, True),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": {"allowed": "a@x.org"}}, True),
        ({"is_logged_in": True, "email": "x.org"}, {"probing": {"allowed": "a@x.org"}}, False),
        ({"is_logged_in": True, "email": "a@x.org"}, {"probing": {"allowed": []}}, False),
        ({"is_logged_in": "True"}, {}, False),
    ],
)  # fmt: skip
def test_who_has_signed_in(user, secrets, expected, monkeypatch):
    assert signed_in(user, secrets, monkeypatch) is expected


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "lacks the key allowed"),
        ("[probing]", "lacks the key allowed"),
        ("[probing]\nalowed = ['a@x.org']", "has 'alowed'; the only key is allowed"),
        ("[probing]\nallowed = ['a@x.org']\nmore = 1", "has 'more'; the only key is allowed"),
        ("[probing]\nallowed = [1]", "it is of another type"),
        ("probing = 'everyone'", "is to be a section"),
        ("[probing]\nallowed = ['a@x.org']", ""),
        ("[probing]\nallowed = 'everyone'", ""),
    ],
)
def test_secrets_that_do_not_state_who_may_give_nobody_rights(monkeypatch, written, words):
    monkeypatch.setattr(st, "secrets", AttrDict(tomllib.loads(written)))
    monkeypatch.setattr(st, "user", {"is_logged_in": True, "email": "a@x.org"})
    problem = rights.sign_in_problem()
    assert words in problem
    assert bool(problem) is bool(words)
    assert rights.is_signed_in() is not bool(words)
    assert problem.startswith("Nobody gets rights here by signing in") or not problem
    assert ("nor to any other" in rights.refusal("Starting a run")) is bool(words)


def test_no_message_makes_a_grant(asked):
    """Whatever a browser sends is text, a number or a list."""
    app = AppTest.from_string("import streamlit as st\nfrom dashboard import rights\nst.text(rights.has_password())")
    for forged in (True, "Grant", {"_grant": True}, b"x"):
        app.session_state["_grant"] = forged
        assert app.run().text[0].value == "False"
    app.session_state["_grant"] = rights.Grant()
    assert app.run().text[0].value == "True"
