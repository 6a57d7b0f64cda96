"""OpenID Connect in headless Chromium, with a provider on this machine: who signs in, who may, and who signs out.

The dashboard listens on every address, so that nobody is its machine's own visitor. The provider has another host name
(``localhost``) than the dashboard (``127.0.0.1``): for the browser these are two sites.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest

from lab.devtools.browser import IN_BROWSER, Tab, rest, served, settle
from tests.dashboard.accessibility import violations_of
from tests.dashboard.attempts import attempt

pytestmark = IN_BROWSER

SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "known to the server alone"
client_id = "the dashboard"
client_secret = "of the dashboard"
server_metadata_url = "{provider}/.well-known/openid-configuration"

[probing]
allowed = {allowed}
"""
LISTED = ["ana@example.org", "ben@example.org"]
USERS = {
    "ana": {"email": "ana@example.org", "email_verified": True},
    "ben": {"email": "ben@example.org", "email_verified": False},
    "eve": {"email": "eve@example.org", "email_verified": True},
}


class Shared(NamedTuple):
    """A dashboard that is open to a network, its provider and the file that lists who may."""

    address: str
    provider: str
    secrets: Path

    def list(self, allowed: list[str]) -> None:
        self.secrets.write_text(SECRETS.format(provider=self.provider, allowed=json.dumps(allowed)))


@pytest.fixture(scope="module")
def shared(made_run, tmp_path_factory) -> Iterator[Shared]:
    home = tmp_path_factory.mktemp("home")
    secrets = home / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    users = [oidc_provider_mock.User(sub=name, claims=claims) for name, claims in USERS.items()]
    with oidc_provider_mock.run_server_in_thread(user_claims=users, require_nonce=True) as server:
        provider = f"http://localhost:{server.server_port}"
        Shared("", provider, secrets).list(LISTED)
        env = {"HOME": str(home), "USERPROFILE": str(home)}
        with served(["--run", str(made_run)], host="0.0.0.0", env=env) as address:
            yield Shared(address, provider, secrets)


@pytest.fixture
def somebody(shared: Shared, tab: Tab) -> Iterator[Any]:
    """A page of a new visitor, on New run."""
    with tab.visitor() as (page, _):
        page.goto(f"{shared.address}/new-run")
        page.get_by_text("Starting a run needs a sign-in").wait_for()
        assert not may_start(page)
        yield page


def sign_in(page: Any, who: str) -> None:
    """From a locked page to the provider and back, which is the first page."""
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name=who, exact=True).click()
    page.get_by_role("heading", level=1, name="What does your image embedding know?").wait_for()
    settle(page)


def may_start(page: Any) -> bool:
    settle(page)
    return page.get_by_role("button", name="Start", exact=True).count() == 1


def test_a_listed_visitor_has_rights_until_they_sign_out(shared, somebody, few_scenes, tab):
    page = somebody
    page.goto(f"{shared.address}/scan")
    page.get_by_text("Scanning a folder needs a sign-in").wait_for()
    sign_in(page, "ana")
    page.get_by_text("You are signed in as ana@example.org").wait_for()
    tab.complaints.clear()  # the provider has no icon
    page.goto(f"{shared.address}/new-run?new-corpus=folder:{few_scenes}")
    rest(page)  # a page that moves is away from under a click
    page.get_by_role("button", name="Open this corpus").click()
    page.get_by_test_id("stMetric").filter(has_text="Images").get_by_text("8", exact=True).wait_for()
    assert may_start(page)
    rest(page)
    assert not violations_of(page)[0]
    assert not tab.complaints
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="End session").click()
    page.get_by_role("heading", level=1, name="What does your image embedding know?").wait_for()
    page.get_by_text("You may look and drop pictures in").wait_for()
    page.goto(f"{shared.address}/new-run?new-corpus=folder:{few_scenes}")
    page.get_by_text("Starting a run needs a sign-in").wait_for()
    assert not may_start(page)


@attempt(
    "signing in with an account that the secrets do not list, or whose address the provider has not verified",
    "a visitor without rights, who reads why and can sign out",
)
@pytest.mark.parametrize("who", ["eve", "ben"])
def test_who_is_not_listed_or_not_verified_stays_a_visitor(shared, somebody, who):
    page = somebody
    sign_in(page, who)
    page.get_by_text(f"You are signed in as {USERS[who]['email']}. You may look").wait_for()
    page.goto(f"{shared.address}/new-run")
    page.get_by_text("Starting a run is not open to the account with which you are signed in").wait_for()
    assert not may_start(page)
    page.get_by_role("button", name="Sign out", exact=True).wait_for()


@attempt(
    "signing in, and having the own address taken from the list meanwhile",
    "no rights from then on, once Streamlit has read the file",
)
def test_who_is_taken_from_the_list_loses_the_rights(shared, somebody):
    page = somebody
    sign_in(page, "ana")
    page.goto(f"{shared.address}/new-run")
    page.get_by_role("button", name="Start", exact=True).wait_for()
    try:
        shared.list(LISTED[1:])
        refused = page.get_by_text("Starting a run is not open to the account with which you are signed in")
        for _ in range(60):  # Streamlit looks at the file every few seconds
            page.get_by_role("link", name="New run").click()
            settle(page)
            if refused.count():
                break
            page.wait_for_timeout(500)
        assert not may_start(page)
    finally:
        shared.list(LISTED)


@attempt("refusing at the provider, or coming back from it with a code or a state that is made up", "no rights")
def test_a_sign_in_that_is_refused_or_made_up(shared, somebody):
    page = somebody
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Deny").click()
    page.get_by_text("You may look and drop pictures in").wait_for()
    page.goto(f"{shared.address}/new-run")
    rest(page)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Deny").wait_for()
    state = parse_qs(urlsplit(page.url).query)["state"][0]
    for made_up in ("guessed", state):
        page.goto(f"{shared.address}/oauth2callback?code=guessed&state={made_up}")
        page.get_by_text("You may look and drop pictures in").wait_for()
    page.goto(f"{shared.address}/new-run")
    page.get_by_text("Starting a run needs a sign-in").wait_for()
    assert not may_start(page)
