"""The security page lists the tested requests and the limits in force."""

from __future__ import annotations

from pathlib import Path

from dashboard.data import pictures
from dashboard.middleware import MIN_UPLOAD_BYTES_PER_S, SERVER_LIMITS, UPLOAD_TIMEOUT_S, VISITOR_LIMITS
from dashboard.widgets import upload
from probing_core.images import MAX_BYTES, MAX_PIXELS
from tests.dashboard import attempts, test_attempts_rights, test_attempts_uploads

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
TESTS = (test_attempts_rights, test_attempts_uploads)
"""Modules whose import records the attempts."""


def test_the_page_lists_the_attempts():
    assert len(attempts.ROWS) > len(TESTS)
    assert attempts.table() in PAGE


def test_the_page_lists_the_limits():
    def row(what: str, visit: str, server: str) -> None:
        assert f"| {what} | {visit} | {server} |".replace("|  |", "| |") in PAGE

    row("Size of an image file (MB)", *[f"{MAX_BYTES // 1_000_000}"] * 2)
    row("Uploads in memory", f"{VISITOR_LIMITS.files}", f"{SERVER_LIMITS.files:,}")
    megabytes = [f"{limits.megabytes:,}" for limits in (VISITOR_LIMITS, SERVER_LIMITS)]
    row("Total size of the uploads in memory (MB)", *megabytes)
    row("Simultaneous uploads", f"{VISITOR_LIMITS.at_once}", f"{SERVER_LIMITS.at_once}")
    row("Uploads started per minute", f"{VISITOR_LIMITS.per_minute}", f"{SERVER_LIMITS.per_minute}")
    duration = f"{UPLOAD_TIMEOUT_S:.0f} s, plus 1 s per {MIN_UPLOAD_BYTES_PER_S // 1000} kB"
    row("Duration of an upload", duration, "")
    row("Pixels per image, checked before decoding", f"{MAX_PIXELS // 1_000_000} million", "")
    on_a_page = f"{upload.MAX_BYTES_ON_A_PAGE // 2**20} MB per page"
    row("Size of the decoded images in memory", on_a_page, "25% of the system memory")
    row("Images decoded simultaneously", "", f"{upload.MAX_CONCURRENT_DECODES}")
    row("Galleries and model predictions computed simultaneously", "", f"{pictures.MAX_COMPUTATIONS}")
