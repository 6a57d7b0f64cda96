"""Addresses next to the pages, in whatever folder a server has them, and the HTML of the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import explorer, serving, strength_slider
from dashboard.text import FORMER, PAGES


@pytest.mark.parametrize(("base", "path"), [("", "/what"), ("probing", "/probing/what"), ("/a/b/", "/a/b/what")])
def test_an_address_is_below_the_base_path(base, path, monkeypatch):
    monkeypatch.setattr(serving.st, "get_option", lambda name: {"server.baseUrlPath": base}[name])
    assert serving.route("what", None).path == path
    for module in (explorer, strength_slider):
        assert all(route.path.startswith(path.removesuffix("what")) for route in module.routes())


def test_a_page_is_streamlits_with_our_stylesheet():
    client = TestClient(Starlette(routes=[serving.page(""), serving.page("layers")]))
    html = client.get("/layers").text
    assert html == client.get("/").text
    assert html.index("./static/js/index.") < html.index("table.answers") < html.index("</style></head>")


@pytest.mark.parametrize(
    ("address", "successor"),
    [
        ("old", "new"),
        ("old?model=zoo/mae", "new?model=zoo%2Fmae"),
        ("old?part=two&model=a", "other?model=a"),
        ("old?model=a&part=three", "other?part=c&model=a"),
        ("old?part=unknown", "new?part=unknown"),
        ("first", ""),
    ],
)
def test_former_pages_redirect_to_their_successors_with_selections(address, successor):
    successors = {"old": "new", "old?part=two": "other", "old?part=three": "other?part=c", "first": ""}
    client = TestClient(Starlette(routes=serving.former_pages(successors)))
    answer = client.get(f"/{address}", follow_redirects=False)
    assert answer.headers["location"] == f"./{successor}"


def test_former_addresses_lead_to_pages_and_are_no_pages_themselves():
    pages = {page.address for under in PAGES.values() for page in under}
    assert {successor.partition("?")[0] for successor in FORMER.values()} <= pages
    assert not {former.partition("?")[0] for former in FORMER} & pages


def test_scripts_of_the_first_chart_are_requested_with_their_page_and_exist():
    for entry in (entry for under in PAGES.values() for entry in under):
        html = TestClient(Starlette(routes=[serving.page(entry.address, entry.scripts)])).get(f"/{entry.address}").text
        files = re.findall(r'<link rel="modulepreload" crossorigin fetchpriority="low" href="\./([^"]+)">', html)
        static = Path(serving.st.__file__).parent / "static"
        assert all((static / file).is_file() for file in files)
        for script in entry.scripts:
            assert any(Path(file).name.startswith(f"{script}.") for file in files)
        for file in files:  # what they import is requested, too, here or by Streamlit's own HTML
            imported = re.findall(r'from"\./([^"]+)"', (static / file).read_text("utf-8"))
            assert all(f"static/js/{name}" in html for name in imported)
    assert any(entry.scripts for under in PAGES.values() for entry in under)
