"""Addresses beside the pages, in whatever folder a server has them."""

from __future__ import annotations

import pytest

from dashboard.components import explorer, scan_thumbnails, serving, strength_slider


@pytest.mark.parametrize(("base", "path"), [("", "/what"), ("probing", "/probing/what"), ("/a/b/", "/a/b/what")])
def test_an_address_is_below_the_base_path(base, path, monkeypatch):
    monkeypatch.setattr(serving.st, "get_option", lambda name: {"server.baseUrlPath": base}[name])
    assert serving.route("what", None).path == path
    for module in (explorer, scan_thumbnails, strength_slider):
        assert all(route.path.startswith(path.removesuffix("what")) for route in module.routes())
