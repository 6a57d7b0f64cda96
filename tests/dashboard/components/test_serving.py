"""Addresses next to the pages, in whatever folder a server has them, and the HTML of the pages."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import explorer, serving, strength_slider


@pytest.mark.parametrize(("base", "path"), [("", "/what"), ("probing", "/probing/what"), ("/a/b/", "/a/b/what")])
def test_an_address_is_below_the_base_path(base, path, monkeypatch):
    monkeypatch.setattr(serving.st, "get_option", lambda name: {"server.baseUrlPath": base}[name])
    assert serving.route("what", None).path == path
    for module in (explorer, strength_slider):
        assert all(route.path.startswith(path.removesuffix("what")) for route in module.routes())


def test_a_page_is_streamlits_with_our_stylesheet():
    client = TestClient(Starlette(routes=[serving.page(""), serving.page("inside")]))
    html = client.get("/inside").text
    assert html == client.get("/").text
    assert html.index("./static/js/index.") < html.index("table.answers") < html.index("</style></head>")
