"""Links between pages."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from dashboard.text import PAGES
from dashboard.widgets import links


def test_transformation_address_names_page_and_transformation():
    address = urlsplit(links.transformation_address("hue & shift"))
    assert address.path in {page.address for under in PAGES.values() for page in under}
    assert parse_qs(address.query) == {"transform": ["hue & shift"]}
