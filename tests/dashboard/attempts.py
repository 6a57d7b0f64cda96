"""Attacks on the server that are tested, as rows of the table in docs/security.md."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])

ROWS: list[tuple[str, str, str]] = []
"""Module of the test, request, and response."""


def attempt(tried: str, came_back: str) -> Callable[[Test], Test]:
    """Return a decorator that records the request of a test and the response that it asserts."""

    def note(test: Test) -> Test:
        ROWS.append((test.__module__, tried, came_back))
        return test

    return note


def table() -> str:
    """Return the rows as a Markdown table, sorted by module name and then by line."""
    rows = sorted(ROWS, key=itemgetter(0))
    return "\n".join(["| Request | Response |", "| --- | --- |", *(f"| {a} | {b} |" for _, a, b in rows)])
