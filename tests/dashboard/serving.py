"""What needs a loop of its own, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def completed(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of ``work``, in a thread of its own: the browser's loop runs in that of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
