"""Attempts to get rights that a visitor lacks, by requests to a served dashboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus

from lab.devtools.browser import BY_UVICORN, served
from lab.devtools.visitor import Visitor, clicked, request, typed, visiting
from probing_core.cli import main
from probing_core.paths import runs_dir
from tests.dashboard.attempts import attempt

pytestmark = pytest.mark.slow

PROXIED = {"X-Forwarded-For": "127.0.0.1"}
"""What a proxy on this machine adds."""


FOLDER = ("try", "part=folder")
"""The page on which a folder is scanned, and what its address says."""


@pytest.fixture(scope="module")
def address(made_run, tmp_path_factory) -> Iterator[str]:
    """A dashboard on the loopback device over a run whose name is markup."""
    marked = shutil.copytree(made_run, tmp_path_factory.mktemp("marked") / "<img src=x onerror=alert(1)> **bold**")
    with served(["--run", str(marked)]) as where:
        yield where


def is_locked(visitor: Visitor, page: str = "evaluate") -> bool:
    """Whether ``page`` shows this visitor neither its form nor what it has found, but the way to rights."""
    words = visitor.visit(page)
    locked = "is not available to visitors" in words
    assert locked != ("Start run" in visitor.widgets)
    return locked


@attempt(
    "Evaluate your model on this machine, at `localhost`, `127.0.0.1` or `[::1]`",
    "the form: users who run the dashboard have all rights",
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_machine_itself(address, host):
    with visiting(address, {"Host": f"{host}:{address.rsplit(':', 1)[1]}"}) as visitor:
        assert not is_locked(visitor)


@attempt(
    "the same through an SSH tunnel, which uses a different port and adds no header",
    "the form: users who can log in on the machine have all rights",
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


@attempt("the same under a different host name (DNS rebinding)", "a visitor without rights")
@pytest.mark.parametrize("host", ["rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example:8501"])
def test_a_wrong_host(address, host):
    with visiting(address, {"Host": host}, f"http://{host}", *FOLDER) as visitor:
        assert is_locked(visitor, "try")
        assert is_locked(visitor)


@attempt("a page of a different site opens the websocket", "403")
def test_another_site(address):
    with pytest.raises(InvalidStatus, match="403"), visiting(address, origin="http://evil.example"):
        pass


@attempt(
    "Evaluate your model from this machine, with a server that listens on every address, through Streamlit or uvicorn",
    "a visitor without rights, with instructions how to get them",
)
@pytest.mark.parametrize("by", ["streamlit", "uvicorn"])
def test_a_server_that_listens_elsewhere(by):
    with served(host="0.0.0.0", **({"by": BY_UVICORN} if by == "uvicorn" else {})) as where:  # noqa: SIM117
        with visiting(where) as visitor:
            assert is_locked(visitor)
            assert "a shared dashboard treats everyone as a visitor" in visitor.visit("evaluate")


@attempt(
    "a forged message: a visitor sends the name of a run and a click on Start, as the page on the machine itself would",
    "nothing is started; no folder is created",
)
def test_a_forged_click(address):
    with visiting(address) as owner:
        owner.visit("evaluate")
    messages = [typed(owner.widgets["Name of the run"], "forged"), clicked(owner.widgets["Start run"])]
    before = set(runs_dir().iterdir()) if runs_dir().is_dir() else set()
    with visiting(address, PROXIED) as visitor:
        words = visitor.visit("evaluate", *messages)
        assert "has been started" not in words
        assert is_locked(visitor)
    assert (set(runs_dir().iterdir()) if runs_dir().is_dir() else set()) == before


@attempt(
    "a folder, a corpus and a model as a path in the address of Evaluate your model",
    "nothing is read: the page has no form for visitors without rights",
)
def test_a_path_in_a_link(address):
    query = "new-name=x&new-corpus=folder:/etc&new-models=hf:../../etc/passwd,file:/etc/passwd&run=../../etc"
    with visiting(address, PROXIED, query=query) as visitor:
        words = visitor.visit("evaluate")
        assert "is not available to visitors" in words
        assert "/etc" not in words.replace("'../../etc'", "")
        assert "Pictures" not in visitor.widgets


@attempt(
    "a model given as a path by a user with rights: `../../etc/passwd`, `timm:../../etc/passwd`, `hf:../../etc/passwd`",
    "one sentence",
)
@pytest.mark.parametrize("name", ["../../etc/passwd", "timm:../../etc/passwd", "hf:../../etc/passwd"])
def test_a_model_that_is_a_path(address, name, tmp_path, capsys):
    with visiting(address) as owner:
        owner.visit("evaluate")
        words = owner.visit("evaluate", typed(owner.widgets["Model"], name))
        assert not owner.exceptions
        assert "root:" not in words
    assert main(["run", "--out", str(tmp_path / "run"), "--models", name, "--estimate"]) == 2, "as its button measures"
    words = capsys.readouterr().err
    assert re.search(r"is not a known model|has no model|is not on disk|no folder", words), words
    assert "root:" not in words


@attempt("a run named `../x`, `<script>`, `-rf` or `a/b`", "one sentence that says which characters a name can contain")
@pytest.mark.parametrize("name", ["../x", "<script>alert(1)</script>", "-rf", "a/b", "a\nb"])
def test_a_run_name_that_is_none(address, name):
    with visiting(address) as owner:
        owner.visit("evaluate")
        words = owner.visit(
            "evaluate", typed(owner.widgets["Name of the run"], name), clicked(owner.widgets["Start run"])
        )
        assert "A name consists of letters, digits, dots, dashes and underscores" in words
        assert "has been started" not in words


@attempt("a run in a folder named `<img src=x onerror=alert(1)> **bold**`", "the name, as text")
def test_a_run_name_with_markup(address):
    with visiting(address) as visitor:
        words = visitor.visit("evaluate")
        assert "\\<img src=x onerror=alert\\(1\\)\\> \\*\\*bold\\*\\*" in words
        assert "<img" not in words.replace("\\<img", "")


@attempt("a forged message that clears the caches of all visitors, and with them the sender's session", "it is dropped")
def test_clearing_the_caches(address):
    with visiting(address, None, None, *FOLDER) as owner:
        owner.visit("try")
        typed_in = "There is no folder '/none' on this computer"
        start = clicked(owner.widgets["Start"])
        assert typed_in in owner.visit("try", typed(owner.widgets["Folder"], "/none"), start).replace("\\", "")
        owner.socket.send(BackMsg(clear_cache=True).SerializeToString())
        assert typed_in in owner.visit("try", start).replace("\\", ""), "the session goes on"


@attempt(
    "paths outside the folder: `/static/../../etc/passwd`, `//etc/passwd`, `/media/..`, `/explorer/..`, encoded or not",
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
        "/_stcore/bidi-components/probing_explorer/../../../etc/passwd",
        "/explorer/../0/points",
        "/explorer/x/sample/-1",
        "/previews/..%2f..%2fetc%2fpasswd",
        "/static/..%5c..%5cwindows%5cwin.ini",
    ],
)
def test_a_path_out_of_the_folder(address, path):
    answer = request(address, path)
    assert answer.status in (400, 404) or answer.text == request(address, "/no-page").text
    assert "root:" not in answer.text


@attempt(
    "what a page, an image, an error and the health check allow a browser to do",
    "a Content-Security-Policy (own sources only, no embedding in frames of other sites), "
    "`nosniff`, `no-referrer`, on every response",
)
@pytest.mark.parametrize(
    "path", ["/", "/try", "/_stcore/health", "/media/none.png", "//etc/passwd", "/explorer/x/points"]
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
