"""The attempts on the server that tests make, as rows of the table in docs/security.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])

ROWS: list[tuple[str, str]] = []


def attempt(tried: str, came_back: str) -> Callable[[Test], Test]:
    """Notes what a test tries, and what it asserts to come back."""

    def note(test: Test) -> Test:
        ROWS.append((tried, came_back))
        return test

    return note


def table() -> str:
    """As Markdown."""
    return "\n".join(["| tried | came back |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in ROWS)])
