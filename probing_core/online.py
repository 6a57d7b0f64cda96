"""Test whether a server on the internet answers, within seconds: libraries that download keep trying for long."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from http.client import HTTPException

TIMEOUT_S = 3.0


def hub_address() -> str:
    """Return the address of the Hugging Face hub, or of the mirror that the environment names."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def hub_is_forbidden() -> bool:
    """Return whether the environment forbids the network to Hugging Face's libraries."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def answers(url: str, seconds: float = TIMEOUT_S) -> bool:
    """Return whether anything answers at ``url`` in time; through the proxy, if one is set."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError:
            pass  # a refusal is an answer
        except (OSError, ValueError, HTTPException):
            return
        answered.set()

    # In a thread, since looking up a name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()
