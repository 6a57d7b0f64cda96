"""Where visitors without rights sign in."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitMissingAuthlibError
from streamlit.testing.v1 import AppTest

from dashboard import rights


def test_a_sign_in_that_is_not_set_up_is_one_sentence(monkeypatch):
    def login() -> None:
        raise StreamlitMissingAuthlibError

    monkeypatch.setattr(st, "login", login)
    monkeypatch.setattr(rights, "allowed", lambda: False)
    monkeypatch.setattr(rights, "can_sign_in", lambda: True)
    monkeypatch.setattr(rights, "sign_in_problem", lambda: "")
    app = AppTest.from_string("from dashboard.widgets import access\naccess.ask('Starting a run')").run()
    assert "Starting a run needs a sign-in" in app.info[0].value
    app.button[0].click().run()
    assert not app.exception
    assert app.error[0].value.startswith("Nobody can sign in on this server as it is set up.")
    assert "Authlib" in app.error[0].value
