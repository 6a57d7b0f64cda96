"""Permissions of the visitors of a dashboard. This is the only module that checks permissions.

All visitors may view the listed runs and upload images. The actions in `Guarded` are allowed only for users of the
server machine (`on_this_machine`). Permissions do not depend on the IP address of the client, which a proxy hides.

Every function that starts a job or reads a folder calls `require`. Functions that may download a model check `allowed`,
and otherwise only load local models. Pages hide actions that would be refused, but do not enforce permissions.
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
    "Selecting a folder",
]
"""Actions that require permission, each as the subject of a sentence.

Downloading a model also requires permission. Without permission, only local models are loaded
(`dashboard.data.predictions`).
"""

FORWARDED = ("x-", "cf-", "forwarded", "via", "true-client-ip", "tailscale-", "fly-", "fastly-")
"""Prefixes of headers that proxies and tunnels add, but that browsers do not send with a websocket request."""

_served = threading.Event()


class NotAllowed(ProbingError):
    """Raised if a visitor without permission requests an action in `Guarded`."""


def serving() -> None:
    """Record that this process has received a request. From then on, permissions are checked.

    Before the first request, there are no visitors: a script or a test runs the pages, or the command line starts the
    demo run.
    """
    _served.set()


def require(what: Guarded) -> None:
    if not allowed():
        raise NotAllowed(refusal(what))


def allowed() -> bool:
    return not _served.is_set() or on_this_machine()


def on_this_machine() -> bool:
    """Return whether the server listens only on the loopback interface and the request did not pass through a proxy.

    The host names in the ``Host`` and ``Origin`` headers must be local, because the domain of a malicious page could
    resolve to this machine. A request without headers is refused; this occurs when a visitor has just left. An SSH
    tunnel ends on this machine and adds no headers, so its users are allowed.
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
        "tunnel to that machine. A shared dashboard treats everyone as a visitor."
    )


def _is_local(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _listens_here_alone() -> bool:
    """Return whether this process listens on at least one TCP port, and only on the loopback interface.

    The operating system is queried, because Streamlit's settings do not apply to other servers, such as uvicorn.
    """
    try:
        sockets = psutil.Process().net_connections("tcp")
    except psutil.Error:
        return False
    listening = [s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN]
    return bool(listening) and all(ipaddress.ip_address(ip).is_loopback for ip in listening)
