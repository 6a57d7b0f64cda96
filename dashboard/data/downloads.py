"""Files that are computed on download, with limits for each visitor."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Sequence

from probing_core.errors import ProbingError
from probing_core.results import Run

PER_MINUTE = 30
"""Maximum number of downloads that one visitor can start per minute."""

WAIT_S = 30.0
"""Maximum time in seconds that a download waits for the previous download of the same visitor."""

MAX_CSV_ROWS = 500_000
"""Maximum number of rows of a CSV file. Writing this many rows takes about ten seconds."""

MAX_ZIP_BYTES = 256 * 2**20
"""Maximum total size in bytes of the tables in a ZIP file. ZIP files are created in memory."""


def fits_into_a_zip(run: Run, names: Sequence[str], most_bytes: int = MAX_ZIP_BYTES) -> bool:
    return sum(run.store.path(name).stat().st_size for name in names) <= most_bytes


def zip_of(run: Run, names: Sequence[str]) -> bytes:
    """Create a ZIP file that contains the files ``names`` of a run, and return its bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, run.store.read_bytes(name))
    return buffer.getvalue()


class TooMany(ProbingError):
    """Raised if a visitor starts too many downloads."""


class Downloads:
    """Limits on the downloads of one visitor: one computation at a time, and a maximum number per minute."""

    def __init__(self, per_minute: int = PER_MINUTE, wait_s: float = WAIT_S) -> None:
        self.per_minute, self.wait_s = per_minute, wait_s
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._begun: deque[float] = deque()

    def bounded(self, content: Callable[[], str | bytes]) -> Callable[[], str | bytes]:
        """Wrap ``content`` so that calls run one at a time, and raise `TooMany` if a limit is exceeded."""

        def compute() -> str | bytes:
            self._count()
            if not self._turn.acquire(timeout=self.wait_s):
                raise TooMany("Your previous download is still being prepared. Try again in a minute.")
            try:
                return content()
            finally:
                self._turn.release()

        return compute

    def _count(self) -> None:
        now = time.monotonic()
        with self._counting:
            while self._begun and self._begun[0] < now - 60:
                self._begun.popleft()
            if len(self._begun) >= self.per_minute:
                raise TooMany(f"You started {self.per_minute} downloads in the last minute. Try again in a minute.")
            self._begun.append(now)
