"""Rights of the visitors of a served dashboard. This file alone decides them.

Everybody may look at the listed runs and drop pictures in. What is `Guarded` is for a visitor on the server's own
machine (`on_this_machine`). Rights never follow from a client's address, which a proxy hides.

Every function that starts a job, reads a folder or asks a host calls `require`; pages only hide what would be refused.
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
    "Reading what a scan has found",
    "Removing a scan",
    "Naming a folder",
]
"""Actions that need rights, each as the subject of a sentence.

Downloading a model needs them too: without, only models on disk are loaded (`dashboard.data.predictions`).
"""

FORWARDED = ("x-", "cf-", "forwarded", "via", "true-client-ip", "tailscale-", "fly-", "fastly-")
"""Prefixes of headers that proxies and tunnels add, and that no browser sends with a websocket."""

_served = threading.Event()


class NotAllowed(ProbingError):
    """Raised where a visitor without rights asks for something that needs them."""


def serving() -> None:
    """Record that a request has reached this process: from now on, visitors without rights are refused.

    Before, there is no visitor: a script or a test runs the pages, or the command line starts the demo run.
    """
    _served.set()


def require(what: Guarded) -> None:
    if not allowed():
        raise NotAllowed(refusal(what))


def allowed() -> bool:
    return not _served.is_set() or on_this_machine()


def on_this_machine() -> bool:
    """Return whether the server listens on this machine alone and the request was made here, through no proxy.

    The name in ``Host`` must be local: a page from elsewhere could have its own name resolve to this machine. A request
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
        f"{what} is not open to visitors. Open this dashboard on the machine that runs it, or through an SSH tunnel to "
        "that machine; one that was started with --share takes everybody for a visitor."
    )


def _is_local(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _listens_here_alone() -> bool:
    """Return whether this process listens on TCP ports of the loopback device only, and on at least one.

    The operating system is asked, since Streamlit's settings do not know of other servers.
    """
    try:
        sockets = psutil.Process().net_connections("tcp")
    except psutil.Error:
        return False
    listening = [s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN]
    return bool(listening) and all(ipaddress.ip_address(ip).is_loopback for ip in listening)
