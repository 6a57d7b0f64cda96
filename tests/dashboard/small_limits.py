"""Limits of `tests.dashboard.upload_server`."""

from __future__ import annotations

from dashboard.middleware import Limits

PER_SESSION = Limits(files=6, megabytes=4, at_once=3, per_minute=100_000)
PER_SERVER = Limits(files=20, megabytes=6, at_once=5, per_minute=100_000)
RECONNECT_S = 1.0
