"""Rights of the visitors of a served dashboard. Only this file decides them.

Everyone may view the listed runs and upload images. Actions in `Guarded` are only allowed for visitors on the
server's machine (`on_this_machine`). Rights never depend on the address of a client, which a proxy hides.

Every function that starts a job, reads a folder or contacts a host calls `require`; pages only hide what would be
refused.
"""

from __future__ import annotations

import ipaddress
import threading
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

import psutil
import streamlit as st

from probing_core.errors import ProbingError

Guarded = Literal[
    "Starting a run",
    "Removing a run",
    "Canceling a computation",
    "Scanning a folder",
    "Reading the results of a scan",
    "Removing a scan",
    "Naming a folder",
]
"""Actions that need rights, each as the subject of a sentence.

Downloading a model requires rights, too: without rights, only models on disk are loaded (`dashboard.data.predictions`).
"""

FORWARDED = ("x-", "cf-", "forwarded", "via", "true-client-ip", "tailscale-", "fly-", "fastly-")
"""Prefixes of headers that proxies and tunnels add, and that no browser sends with a websocket."""

_served = threading.Event()


class NotAllowed(ProbingError):
    """Raised if a visitor without rights requests an action that requires them."""


def serving() -> None:
    """Record that a request has reached this process: afterwards, visitors without rights are refused.

    Before the first request, there is no visitor: a script or a test runs the pages, or the command line starts the
    demo run.
    """
    _served.set()


def require(what: Guarded) -> None:
    if not allowed():
        raise NotAllowed(refusal(what))


def allowed() -> bool:
    return not _served.is_set() or on_this_machine()


def on_this_machine() -> bool:
    """Return whether the server only listens locally and the request is local, without a proxy.

    The name in ``Host`` must be local: the name of a foreign page could resolve to this machine. A request
    without headers, as from a visitor who has just left, has no rights. An SSH tunnel ends on this machine and adds no
    header, so its user has rights.
    """
    headers = st.context.headers
    hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
    return (
        len(hosts) == 1
        and all(_is_local(f"//{host}") for host in hosts)
        and all(_is_local(origin) for origin in origins)
        and not any(name.lower().startswith(FORWARDED) for name in headers)
        and _listens_here_alone()
    )


def refusal(what: Guarded) -> str:
    return (
        f"{what} is not available to visitors. Open this dashboard on the machine that runs it, or through an SSH "
        "tunnel to that machine; a shared dashboard treats everyone as a visitor."
    )


def _is_local(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _listens_here_alone() -> bool:
    """Return whether this process listens on at least one TCP port, and only on the loopback device.

    The operating system is queried, because Streamlit's settings do not cover other servers.
    """
    try:
        sockets = psutil.Process().net_connections("tcp")
    except psutil.Error:
        return False
    listening = [s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN]
    return bool(listening) and all(ipaddress.ip_address(ip).is_loopback for ip in listening)
