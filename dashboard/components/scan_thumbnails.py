"""Thumbnails of a scan: the browser fetches those of visible rows, by their addresses."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.components.serving import route

FOLDER = "thumbnails"
COLUMN = "thumbnail"
CHUNKS_KEPT = 16

_scans: WeakValueDictionary[str, ScanThumbnails] = WeakValueDictionary()
"""Scans in memory, by the second part of their addresses."""


class ScanThumbnails:
    """The thumbnails in the chunks of a scan, whose rows have the order of its table.

    Args:
        chunks: their folder; the scan must be complete.

    Raises:
        OSError, pyarrow.ArrowException: a chunk is gone or damaged.
    """

    def __init__(self, chunks: Path) -> None:
        self._paths = sorted(chunks.glob("chunk-*.parquet"))
        self._stops = np.cumsum([pq.read_metadata(path).num_rows for path in self._paths], dtype=int)
        self._chunk = lru_cache(CHUNKS_KEPT)(self._read)
        self._name = secrets.token_urlsafe(16)
        _scans[self._name] = self

    def __len__(self) -> int:
        return int(self._stops[-1]) if len(self._stops) else 0

    def address(self, row: int) -> str:
        """Return the address of the thumbnail of a row, which nobody can guess."""
        return f"{FOLDER}/{self._name}/{row}"

    def webp(self, row: int) -> bytes:
        """Return a thumbnail; empty where the picture could not be read."""
        chunk = int(np.searchsorted(self._stops, row, side="right"))
        return self._chunk(chunk)[row - (int(self._stops[chunk - 1]) if chunk else 0)] or b""

    def _read(self, chunk: int) -> list[bytes]:
        return pq.read_table(self._paths[chunk], columns=[COLUMN], use_threads=False)[COLUMN].to_pylist()


@st.cache_resource(max_entries=8, show_spinner=False)
def thumbnails_of(chunks: Path, stamp: int) -> ScanThumbnails:
    return ScanThumbnails(chunks)


def routes() -> list[Route]:
    async def serve(request: Request) -> Response:
        scan, row = _scans.get(request.path_params["scan"]), request.path_params["row"]
        if scan is None or row >= len(scan):
            return Response("There is no such thumbnail.", 404)
        try:
            found = await run_in_threadpool(scan.webp, row)
        except (OSError, pa.ArrowException):
            found = b""
        if not found:
            return Response("This picture has no thumbnail.", 404)
        return Response(found, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})

    return [route(f"{FOLDER}/{{scan}}/{{row:int}}", serve)]
