"""The attempts on the server that tests make, as rows of the table in docs/security.md."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])

ROWS: list[tuple[str, str, str]] = []
"""The module of the test, what it tries, and what comes back."""


def attempt(tried: str, came_back: str) -> Callable[[Test], Test]:
    """Notes what a test tries, and what it asserts to come back."""

    def note(test: Test) -> Test:
        ROWS.append((test.__module__, tried, came_back))
        return test

    return note


def table() -> str:
    """As Markdown, in the order of the modules' names and within each of its lines."""
    rows = sorted(ROWS, key=itemgetter(0))
    return "\n".join(["| attempt | response |", "| --- | --- |", *(f"| {a} | {b} |" for _, a, b in rows)])
