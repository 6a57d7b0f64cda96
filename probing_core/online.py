"""Fast connectivity checks.

Download libraries retry for a long time before they fail.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from http.client import HTTPException

TIMEOUT_S = 3.0


def hub_address() -> str:
    """Return the URL of the Hugging Face Hub, or of the mirror specified in ``HF_ENDPOINT``."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def hub_is_forbidden() -> bool:
    """Return whether ``HF_HUB_OFFLINE`` sets the Hugging Face libraries to offline mode."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def answers(url: str, seconds: float = TIMEOUT_S) -> bool:
    """Return whether ``url`` responds within ``seconds``. The request uses the proxy if one is configured."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError:
            pass  # an HTTP error is also a response
        except (OSError, ValueError, HTTPException):
            return
        answered.set()

    # In a thread, because DNS lookups have no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()
