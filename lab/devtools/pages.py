"""Generated parts of pages: what stands between a mark and the next end."""

from __future__ import annotations

END = "<!-- end of generated part -->"


def generated(page: str, begin: str) -> str:
    """Return what stands in ``page`` between the mark ``begin`` and the next `END`."""
    return page.split(begin)[1].split(END, 1)[0].strip("\n")


def put(page: str, begin: str, text: str) -> str:
    """Return ``page`` with ``text`` between the mark ``begin`` and the next `END`."""
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{text}\n\n{END}{rest.split(END, 1)[1]}"
