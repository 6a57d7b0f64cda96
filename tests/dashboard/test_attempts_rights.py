"""Attempts to get rights that a visitor lacks, by requests to a served dashboard."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from websockets.exceptions import InvalidStatus

from lab.devtools.browser import BY_UVICORN, served
from lab.devtools.visitor import Visitor, clicked, request, typed, visiting, xsrf
from probing_core.paths import runs_dir
from tests.dashboard.attempts import attempt

pytestmark = pytest.mark.slow

PROXIED = {"X-Forwarded-For": "127.0.0.1"}
"""What a proxy on this machine adds."""


@pytest.fixture(scope="module")
def address(made_run, tmp_path_factory) -> Iterator[str]:
    """A dashboard on the loopback device over a run whose name is markup."""
    marked = shutil.copytree(made_run, tmp_path_factory.mktemp("marked") / "<img src=x onerror=alert(1)> **bold**")
    with served(["--run", str(marked)]) as where:
        yield where


SIGN_IN = """
[auth]
redirect_uri = "http://127.0.0.1/oauth2callback"
cookie_secret = "known to the server alone"
client_id = "x"
client_secret = "x"
server_metadata_url = "http://127.0.0.1/none"

[probing]
allowed = ["ana@example.org"]
"""


@contextmanager
def signing_in(run: Path, home: Path, secrets: str) -> Iterator[str]:
    """A dashboard whose visitors may sign in."""
    (home / ".streamlit").mkdir()
    (home / ".streamlit" / "secrets.toml").write_text(secrets)
    with served(["--run", str(run)], env={"HOME": str(home)}) as where:
        yield where


@pytest.fixture(scope="module")
def sign_in(made_run, tmp_path_factory) -> Iterator[str]:
    with signing_in(made_run, tmp_path_factory.mktemp("home"), SIGN_IN) as where:
        yield where


@contextmanager
def signed_in(address: str, email: str, secret: str = "known to the server alone") -> Iterator[Visitor]:
    """A visitor who comes through a proxy with the cookie that signing in sets; without one if there is no e-mail."""
    fields = xsrf(address)
    cookie = fields["Cookie"]
    if email:
        claims = json.dumps({"origin": address, "is_logged_in": True, "email": email})
        cookie += f"; _streamlit_user={create_signed_value(secret, '_streamlit_user', claims).decode()}"
    with visiting(address, PROXIED | {"Cookie": cookie}, origin=address, token=fields["X-Xsrftoken"]) as visitor:
        yield visitor


def is_locked(visitor: Visitor, page: str = "new-run") -> bool:
    """Whether ``page`` shows this visitor neither its form nor what it has found, but the way to rights."""
    words = visitor.visit(page)
    whys = ("is not open to visitors", "needs a sign-in", "is not open to the account")
    locked = any(why in words for why in whys)
    assert locked != ("Start" in visitor.widgets)
    return locked


@attempt(
    "New run on this machine under `localhost`, `127.0.0.1` or `[::1]`",
    "the form: whoever runs the dashboard has all rights",
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_machine_itself(address, host):
    with visiting(address, {"Host": f"{host}:{address.rsplit(':', 1)[1]}"}) as visitor:
        assert not is_locked(visitor)


@attempt(
    "the same through an SSH tunnel, which has another port there and adds no header",
    "the form: who may log in on the machine has all rights",
)
def test_a_tunnel(address):
    tunnel = "localhost:9000"
    with visiting(address, {"Host": tunnel}, origin=f"http://{tunnel}") as visitor:
        assert not is_locked(visitor)


@attempt(
    "the same through a proxy on this machine: `X-Forwarded-For: 127.0.0.1`, `Forwarded`, `Via`, `X-Real-IP`, "
    "`CF-Connecting-IP`",
    "a visitor without rights",
)
@pytest.mark.parametrize(
    "headers",
    [
        PROXIED,
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 here"},
        {"x-real-ip": "::1"},
        {"CF-Connecting-IP": "1.1.1.1"},
    ],
)
def test_a_forwarding_header(address, headers):
    with visiting(address, headers) as visitor:
        assert is_locked(visitor)


@attempt("the same under another name (DNS rebinding)", "a visitor without rights")
@pytest.mark.parametrize("host", ["rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example:8501"])
def test_a_wrong_host(address, host):
    with visiting(address, {"Host": host}, origin=f"http://{host}") as visitor:
        assert is_locked(visitor)
        assert is_locked(visitor, "scan")


@attempt("a page of another site opens the websocket", "403")
def test_another_site(address):
    with pytest.raises(InvalidStatus, match="403"), visiting(address, origin="http://evil.example"):
        pass


@attempt(
    "New run from this machine, where the server listens on every address, started by Streamlit or by uvicorn",
    "a visitor without rights, who reads how to get them",
)
@pytest.mark.parametrize("by", ["streamlit", "uvicorn"])
def test_a_server_that_listens_elsewhere(by):
    with served(host="0.0.0.0", **({"by": BY_UVICORN} if by == "uvicorn" else {})) as where:  # noqa: SIM117
        with visiting(where) as visitor:
            assert is_locked(visitor)
            assert "started with --share takes everybody for a visitor" in visitor.visit("new-run")
            assert "Sign in" not in visitor.widgets


@attempt(
    "a forged message: a visitor sends the name of a run and the click of Start, as the machine's own page would",
    "nothing is started; no folder is made",
)
def test_a_forged_click(address):
    with visiting(address) as owner:
        owner.visit("new-run")
    messages = [typed(owner.widgets["Name of the run"], "forged"), clicked(owner.widgets["Start"])]
    before = set(runs_dir().iterdir()) if runs_dir().is_dir() else set()
    with visiting(address, PROXIED) as visitor:
        words = visitor.visit("new-run", *messages)
        assert "has been started" not in words
        assert is_locked(visitor)
    assert (set(runs_dir().iterdir()) if runs_dir().is_dir() else set()) == before


@attempt(
    "somebody who has not signed in, who signed the cookie by another secret, or whom the secrets do not list",
    "a visitor without rights; who is listed has all",
)
@pytest.mark.parametrize(
    ("email", "secret", "locked"),
    [
        ("", "", True),
        ("ana@example.org", "guessed", True),
        ("eve@example.org", "known to the server alone", True),
        ("ana@example.org", "known to the server alone", False),
    ],
)
def test_signing_in(sign_in, email, secret, locked):
    with signed_in(sign_in, email, secret) as visitor:
        assert is_locked(visitor) is locked
        assert ("Sign in" in visitor.widgets) is locked


@attempt(
    "signing in where the secrets do not state who may: `allowed` is missing, misspelled or not alone",
    "a visitor without rights, who reads what is missing",
)
def test_signing_in_where_nobody_is_named(made_run, tmp_path):
    with signing_in(made_run, tmp_path, SIGN_IN.replace("allowed", '"al*owed*"')) as address:
        for email in ("ana@example.org", ""):
            with signed_in(address, email) as visitor:
                assert is_locked(visitor)
                words = visitor.visit("new-run")
                assert "it has al\\*owed\\* \\(list\\)" in words, "what is missing; a key is data, and no markup"
                assert "Sign in" not in visitor.widgets, "nobody is sent to the provider for nothing"


@attempt(
    "a folder, a corpus and a model as a path in the address of New run",
    "nothing is read: the page has no form for a visitor without rights",
)
def test_a_path_in_a_link(address):
    query = "new-name=x&new-corpus=folder:/etc&new-further=hf:../../etc/passwd,file:/etc/passwd&run=../../etc"
    with visiting(address, PROXIED, query=query) as visitor:
        words = visitor.visit("new-run")
        assert "is not open to visitors" in words
        assert "/etc" not in words.replace("There is no run '../../etc'", "")
        assert "Corpus" not in visitor.widgets


@attempt(
    "a model named as a path by who has rights: `../../etc/passwd`, `timm:../../etc/passwd`, `hf:../../etc/passwd`",
    "one sentence",
)
@pytest.mark.parametrize("name", ["../../etc/passwd", "timm:../../etc/passwd", "hf:../../etc/passwd"])
def test_a_model_that_is_a_path(address, name):
    with visiting(address) as owner:
        owner.visit("new-run")
        words = owner.visit("new-run", typed(owner.widgets["Further models"], name))
        assert not owner.exceptions
        assert re.search(r"There is no model|has no model|is not on disk|no folder", words), words
        assert "root:" not in words


@attempt("a run named `../x`, `<script>`, `-rf` or `a/b`", "one sentence: what a name may hold")
@pytest.mark.parametrize("name", ["../x", "<script>alert(1)</script>", "-rf", "a/b", "a\nb"])
def test_a_run_name_that_is_none(address, name):
    with visiting(address) as owner:
        owner.visit("new-run")
        words = owner.visit("new-run", typed(owner.widgets["Name of the run"], name), clicked(owner.widgets["Start"]))
        assert "A name has letters, digits, dots, dashes and underscores" in words
        assert "has been started" not in words


@attempt("a run whose folder is named `<img src=x onerror=alert(1)> **bold**`", "the name, as text")
def test_a_run_name_with_markup(address):
    with visiting(address) as visitor:
        words = visitor.visit("new-run")
        assert "\\<img src=x onerror=alert\\(1\\)\\> \\*\\*bold\\*\\*" in words
        assert "<img" not in words.replace("\\<img", "")


@attempt("a forged message that clears the caches of all visitors, and with them the sender's session", "it is dropped")
def test_clearing_the_caches(address):
    with visiting(address) as owner:
        owner.visit("scan")
        typed_in = "There is no folder '/none' on this computer"
        assert typed_in in owner.visit("scan", typed(owner.widgets["Folder"], "/none")).replace("\\", "")
        owner.socket.send(BackMsg(clear_cache=True).SerializeToString())
        assert typed_in in owner.visit("scan").replace("\\", ""), "the session goes on"


@attempt(
    "paths out of the folder: `/static/../../etc/passwd`, `//etc/passwd`, `/media/..`, `/samples/..`, encoded or not",
    "400, 404, or the page itself",
)
@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/app/static/../../etc/passwd",
        "//etc/passwd",
        "/media/../../etc/passwd",
        "/media/..%2f..%2fetc%2fpasswd",
        "/component/x/../../../etc/passwd",
        "/_stcore/bidi-components/probing_plot/../../../etc/passwd",
        "/samples/../0/before",
        "/samples/x/-1/before",
        "/previews/..%2f..%2fetc%2fpasswd",
        "/static/..%5c..%5cwindows%5cwin.ini",
    ],
)
def test_a_path_out_of_the_folder(address, path):
    answer = request(address, path)
    assert answer.status in (400, 404) or answer.text == request(address, "/").text
    assert "root:" not in answer.text


@attempt(
    "what a page, a picture, an error and the health check let a browser do",
    "a Content-Security-Policy (own sources alone, no frame of others), `nosniff`, `no-referrer`, on every answer",
)
@pytest.mark.parametrize(
    "path", ["/", "/try", "/_stcore/health", "/media/none.png", "//etc/passwd", "/samples/x/0/before"]
)
def test_security_headers(address, path):
    headers = {name.lower(): value for name, value in request(address, path).headers.items()}
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http:" not in policy
    assert "https:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
