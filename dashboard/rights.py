"""Who may do what. Everybody may look and drop pictures in; runs, scans, folders and downloads need rights.

Rights never follow from a client's address, which a proxy hides. They come from one of three things: the request was
made on the machine itself, the session has entered the password, or the visitor has signed in with OpenID Connect.
What starts a job or reads a folder calls `require`; pages only hide what would be refused.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import streamlit as st

from probing_core.errors import ProbingError
from probing_core.paths import PASSWORD_FILE, read_password

FREE_ATTEMPTS = 5
LONGEST_DELAY_S = 600.0
"""After the free ones, each wrong password doubles the time in which the server compares none."""

FORWARDED = ("x-", "cf-", "forwarded", "via", "true-client-ip", "tailscale-", "fly-", "fastly-")
"""How headers begin that proxies and tunnels add, and that no browser sends with a websocket."""

EVERYONE = "everyone"
ALLOWED = f'the list of addresses that have rights, or "{EVERYONE}" for all accounts that the provider signs in'
"""What the key ``allowed`` of the secrets may be."""

_GRANT = "_grant"


class NotAllowed(ProbingError):
    """A visitor without rights asked for what needs them."""


class Ways(NamedTuple):
    """How a visitor can get rights on this server."""

    password: bool
    sign_in: bool


class Grant:
    """In a session's state: its visitor has entered the password. No message of a browser can make one."""


class Attempts:
    """Wrong passwords since the last right one, from all visitors together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong, self._next_at = 0, 0.0

    def check(self, given: str, expected: str) -> str:
        """Compares in constant time, unless it is too soon after wrong ones; why not, or an empty text."""
        with self._lock:
            if (wait := self._next_at - time.monotonic()) > 0:
                return f"Too many wrong passwords: the next one is compared in {wait:.0f} s at the earliest."
            if _equal(given, expected):
                self._wrong = 0
                return ""
            self._wrong += 1
            if (over := self._wrong - FREE_ATTEMPTS) > 0:
                self._next_at = time.monotonic() + min(2.0**over, LONGEST_DELAY_S)
            return "This is not the password."


_attempts = Attempts()
_served = threading.Event()


def serving() -> None:
    """Notes that a request has reached this process: from now on, whoever has no rights is refused.

    Before, no visitor exists: a script or a test runs the pages itself, or the command line starts the demo run.
    """
    _served.set()


def require(what: str) -> None:
    """Goes on if whoever asks has rights.

    Args:
        what: what needs them, as the subject of a sentence: "Starting a run".

    Raises:
        NotAllowed: they do not.
    """
    if not allowed():
        raise NotAllowed(refusal(what))


def allowed() -> bool:
    """Whether the visitor of this session may start jobs, read folders and download models."""
    return not _served.is_set() or on_this_machine() or has_password() or is_signed_in()


def on_this_machine() -> bool:
    """Whether the server listens on this machine alone and the request was made here, through no proxy.

    The name in ``Host`` must be local: else a page from elsewhere could have its own name point here. A request
    without headers, as of a visitor who has just left, is of nobody.
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


def has_password() -> bool:
    """Whether this session has entered the password."""
    return isinstance(st.session_state.get(_GRANT), Grant)


def is_signed_in() -> bool:
    """Whether the visitor has signed in, and the secrets give rights to their verified address or to everyone."""
    if st.user.get("is_logged_in") is not True or sign_in_problem():
        return False
    listed = st.secrets["probing"]["allowed"]
    if listed == EVERYONE:
        return True
    # Some providers write a text in place of a truth value. A provider that does not state it is trusted.
    verified = str(st.user.get("email_verified", True)).lower() == "true"
    return verified and st.user.get("email") in ([listed] if isinstance(listed, str) else listed)


def sign_in_problem() -> str:
    """Why nobody gets rights by signing in on this server, in a sentence; empty if those who are listed do."""
    section = st.secrets.get("probing", {})
    nobody = "Nobody gets rights here by signing in:"
    if not isinstance(section, Mapping):
        return f"{nobody} in secrets.toml, probing is to be a section, [probing], with the key allowed, {ALLOWED}."
    if unknown := sorted(map(str, section.keys() - {"allowed"})):
        return f"{nobody} [probing] in secrets.toml has '{unknown[0]}'; the only key is allowed, {ALLOWED}."
    if "allowed" not in section:
        return f"{nobody} [probing] in secrets.toml lacks the key allowed, {ALLOWED}."
    listed = section["allowed"]
    if isinstance(listed, str) or (isinstance(listed, list) and all(isinstance(address, str) for address in listed)):
        return ""
    return f"{nobody} allowed in [probing] of secrets.toml is to be {ALLOWED}; it is of another type."


def account() -> str:
    """The name under which the visitor has signed in, allowed or not; empty if they have not."""
    if st.user.get("is_logged_in") is not True:
        return ""
    return str(st.user.get("email") or st.user.get("name") or st.user.get("sub") or "an account without a name")


def ways() -> Ways:
    return Ways(password=bool(os.environ.get(PASSWORD_FILE)), sign_in="is_logged_in" in st.user)


def refusal(what: str) -> str:
    """What a visitor without rights reads who asks for ``what``, as in `require`."""
    if account():
        if sign_in_problem():
            return (
                f"{what} is not open to the account with which you are signed in, nor to any other: the secrets of "
                "this dashboard do not state who may."
            )
        return (
            f"{what} is not open to the account with which you are signed in: whoever runs this dashboard lists the "
            "addresses that may, and its provider must have verified yours."
        )
    asked = "which the pages New run and Scan ask for"
    match ways():
        case (True, True):
            return f"{what} needs the password of this dashboard or a sign-in, {asked}."
        case (True, False):
            return f"{what} needs the password of this dashboard, {asked}."
        case (False, True):
            return f"{what} needs a sign-in, {asked}."
    return (
        f"{what} is open on the machine itself alone, since no password is set; "
        "probing demo --share --password-file FILE sets one."
    )


def unlock(given: str) -> str:
    """Gives this session rights if ``given`` is the password; why not, or an empty text."""
    try:
        expected = read_password(Path(os.environ.get(PASSWORD_FILE, "")))
    except ProbingError as error:
        return str(error)
    if not (problem := _attempts.check(given, expected)):
        st.session_state[_GRANT] = Grant()
    return problem


def lock() -> None:
    """Takes the rights that the password gave from this session."""
    st.session_state.pop(_GRANT, None)


_KEY = secrets.token_bytes(32)


def _equal(given: str, expected: str) -> bool:
    """In a time that depends on neither: digests are compared, which have one length."""
    digests = (hashlib.blake2b(text.encode("utf-8", "replace"), key=_KEY).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)


def _is_local(address: str) -> bool:
    """Whether the host of an address is this machine by name or number."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _listens_here_alone() -> bool:
    """Whether every TCP port that this process listens on is of the loopback device, and there is one.

    Asked of the system, since the settings do not know of another server than Streamlit's own.
    """
    try:
        sockets = psutil.Process().net_connections("tcp")
    except psutil.Error:
        return False
    listening = [s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN]
    return bool(listening) and all(ipaddress.ip_address(ip).is_loopback for ip in listening)
