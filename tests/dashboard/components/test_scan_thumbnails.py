"""Thumbnails of a scan, as a browser fetches them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import scan_thumbnails
from dashboard.components.scan_thumbnails import ScanThumbnails, thumbnails_of
from probing_core.api.scan import CHUNK, Chunks, File
from probing_core.images import encode_webp

COUNT = 2 * CHUNK + 3
BROKEN = CHUNK + 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Chunks of a scan: the thumbnail of row i is all of the gray i, and one picture could not be read."""
    files = [File(f"/pictures/{i}", str(i), (0, 0)) for i in range(COUNT)]
    chunks = Chunks(tmp_path / "chunks", files, "settings")
    for number, some in enumerate(chunks.files):
        rows = [number * CHUNK + i for i in range(len(some))]
        pictures = [b"" if i == BROKEN else encode_webp(np.full((8, 8, 3), i, np.uint8), 90) for i in rows]
        chunks.write(number, pd.DataFrame({"path": [str(i) for i in rows], "thumbnail": pictures}))
    return tmp_path / "chunks"


def gray_of(webp: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(webp)).convert("L")).mean())


def test_each_row_has_its_own_thumbnail(folder):
    found = ScanThumbnails(folder)
    assert len(found) == COUNT
    for row in (0, CHUNK - 1, CHUNK, 2 * CHUNK, COUNT - 1):
        assert abs(gray_of(found.webp(row)) - row) < 3


def test_a_browser_gets_them_by_an_address_that_nobody_can_guess(folder):
    client = TestClient(Starlette(routes=scan_thumbnails.routes()))
    found = thumbnails_of(folder, 1)
    answer = client.get(f"/{found.address(5)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert abs(gray_of(answer.content) - 5) < 3
    assert "private" in answer.headers["cache-control"]
    guess = found.address(5).replace(found.address(5).split("/")[1], "0")
    for address in (found.address(BROKEN), found.address(COUNT), guess, guess.replace("/5", "/../5")):
        assert client.get(f"/{address}").status_code == 404
    assert ScanThumbnails(folder).address(5) != found.address(5)


def test_a_scan_without_chunks_has_none(tmp_path):
    assert len(ScanThumbnails(tmp_path / "gone")) == 0
