"""Tables as links: who can fetch what, and for how long."""

from __future__ import annotations

import asyncio
import gc
import re
from io import StringIO

import pandas as pd
import pytest
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.components import downloads

TABLE = pd.DataFrame({"model": ["a", "ü,b"], "value": [0.5, 1.0]})


def fetched(address: str):
    (route,) = downloads.routes()
    folder, _, name = address.partition("/")
    assert route.path == f"/{folder}/{{name}}"
    return asyncio.run(route.endpoint(Request({"type": "http", "path_params": {"name": name}})))


@pytest.fixture
def session(monkeypatch):
    """What one visitor's session holds."""
    held: dict = {}
    monkeypatch.setattr(downloads.st, "session_state", held)
    return held


@pytest.mark.parametrize("table", [TABLE, lambda: TABLE])
def test_a_table_is_fetched_as_it_is(session, table):
    answer = fetched(downloads.offer(table, "board"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert pd.read_csv(StringIO(answer.body.decode())).equals(TABLE)


def test_what_is_offered_again_keeps_its_address_and_what_is_not_is_let_go(session):
    first, other = downloads.offer(TABLE, "board"), downloads.offer(TABLE, "else")
    assert first != other
    downloads.begin_page()
    assert downloads.offer(TABLE.head(1), "board") == first
    assert fetched(first).body == TABLE.head(1).to_csv(index=False).encode()
    assert fetched(other).status_code == 200, "somebody may still look at the page before"
    downloads.begin_page()
    gc.collect()
    assert fetched(other).status_code == 404
    session.clear()
    gc.collect()
    assert fetched(first).status_code == 404, "nobody else can fetch what a visitor saw"


def test_two_tables_of_a_page_have_two_names(session):
    with state.whole_page():
        downloads.offer(TABLE, "board")
        with pytest.raises(ValueError, match="'board'"):
            downloads.offer(TABLE, "board")
    downloads.offer(TABLE, "board")  # a fragment reruns


def test_a_name_is_no_markup(session, monkeypatch):
    shown = []
    monkeypatch.setattr(downloads.st, "html", shown.append)
    downloads.download(TABLE, 'a"><b', "<i>")
    assert "<b" not in shown[0]
    assert "<i>" not in shown[0]


def links(app: AppTest) -> list[str]:
    """The addresses that a page offers: links, and the first line of each chart."""
    plain = [re.search(r'href="([^"]+)"', html.proto.body) for html in app.get("html")]
    charts = [c.proto.bytes.partition(b"\n")[0].decode() for c in app.get("bidi_component") if c.proto.bytes]
    return [found[1] for found in plain if found] + [address for address in charts if address]


@pytest.mark.parametrize("page", ["Overview", "Confusion", "Generalization", "Methods and data"])
def test_every_table_and_chart_of_a_page_can_be_fetched(open_app, page):
    app = open_app(page)
    assert not app.exception
    offered = links(app)
    assert len(offered) >= len(app.dataframe)
    assert offered
    for address in offered:
        answer = fetched(address)
        assert answer.status_code == 200
        assert len(pd.read_csv(StringIO(answer.body.decode())).columns) > 1
