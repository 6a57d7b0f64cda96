"""The page on attempts lists what the tests try, and the limits that hold."""

from __future__ import annotations

from pathlib import Path

from dashboard.middleware import MIN_UPLOAD_BYTES_PER_S, SERVER_LIMITS, UPLOAD_TIMEOUT_S, VISITOR_LIMITS
from dashboard.widgets import upload
from probing_core.images import MAX_BYTES, MAX_PIXELS
from tests.dashboard import attempts, test_attempts_rights, test_attempts_uploads

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
TESTS = (test_attempts_rights, test_attempts_uploads)
"""Whose import has noted the attempts."""


def test_the_page_lists_the_attempts():
    assert len(attempts.ROWS) > len(TESTS)
    assert attempts.table() in PAGE


def test_the_page_lists_the_limits():
    def row(what: str, visit: str, server: str) -> None:
        assert f"| {what} | {visit} | {server} |".replace("|  |", "| |") in PAGE

    row("megabytes per image", *[f"{MAX_BYTES // 1_000_000}"] * 2)
    in_memory = [f"{limits.files:,}, {limits.megabytes:,}" for limits in (VISITOR_LIMITS, SERVER_LIMITS)]
    row("images in memory, and their megabytes", *in_memory)
    row("simultaneous uploads", f"{VISITOR_LIMITS.at_once}", f"{SERVER_LIMITS.at_once}")
    row("uploads started per minute", f"{VISITOR_LIMITS.per_minute}", f"{SERVER_LIMITS.per_minute}")
    row(
        "seconds per upload",
        f"{UPLOAD_TIMEOUT_S:.0f}, plus its size at {MIN_UPLOAD_BYTES_PER_S // 1000} kB/s",
        "",
    )
    row("pixels per image, checked before decoding", f"{MAX_PIXELS // 1_000_000} million", "")
    row("decoded images in memory", f"{upload.MAX_BYTES_ON_A_PAGE // 2**20} MB per page", "a quarter of the memory")
    row("images decoded simultaneously", "", f"{upload.MAX_CONCURRENT_DECODES}")
