"""Attempts of visitors to obtain permissions, by requests to a running dashboard."""

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
"""Header that a proxy on this machine adds."""


FOLDER = ("try", "part=folder")
"""Page that scans a folder, and its query string."""


@pytest.fixture(scope="module")
def address(made_run, tmp_path_factory) -> Iterator[str]:
    """Serve a dashboard on the loopback interface, with a run whose name contains markup, and return its URL."""
    marked = shutil.copytree(made_run, tmp_path_factory.mktemp("marked") / "<img src=x onerror=alert(1)> **bold**")
    with served(["--run", str(marked)]) as where:
        yield where


def is_locked(visitor: Visitor, page: str = "evaluate") -> bool:
    """Return whether ``page`` shows this visitor how to get access instead of its form and results."""
    words = visitor.visit(page)
    locked = "is not available to visitors" in words
    assert locked != ("Start run" in visitor.widgets)
    return locked


@attempt(
    "A local user opens the *Evaluate your model* page at `localhost`, `127.0.0.1` or `[::1]`",
    "The form is shown",
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_machine_itself(address, host):
    with visiting(address, {"Host": f"{host}:{address.rsplit(':', 1)[1]}"}) as visitor:
        assert not is_locked(visitor)


@attempt(
    "A user opens the *Evaluate your model* page through an SSH tunnel, which uses a different port and adds no "
    "headers",
    "The form is shown, because users who can log in to the machine have all permissions",
)
def test_a_tunnel(address):
    tunnel = "localhost:9000"
    with visiting(address, {"Host": tunnel}, origin=f"http://{tunnel}") as visitor:
        assert not is_locked(visitor)


@attempt(
    "A proxy on the server machine forwards a request for the *Evaluate your model* page with a header such as "
    "`X-Forwarded-For: 127.0.0.1`, `Forwarded`, `Via`, `X-Real-IP` or `CF-Connecting-IP`",
    "The form is not shown: the user is a visitor",
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


@attempt(
    "A request for the *Evaluate your model* page has a `Host` header with a non-local name (DNS rebinding)",
    "The form is not shown: the user is a visitor",
)
@pytest.mark.parametrize("host", ["rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example:8501"])
def test_a_wrong_host(address, host):
    with visiting(address, {"Host": host}, f"http://{host}", *FOLDER) as visitor:
        assert is_locked(visitor, "try")
        assert is_locked(visitor)


@attempt("A page of another site opens the websocket", "403")
def test_another_site(address):
    with pytest.raises(InvalidStatus, match="403"), visiting(address, origin="http://evil.example"):
        pass


@attempt(
    "A user of the server machine opens the *Evaluate your model* page of a dashboard that Streamlit or uvicorn serves "
    "on all network interfaces",
    "The form is not shown: the user is a visitor, and the page explains how to get access",
)
@pytest.mark.parametrize("by", ["streamlit", "uvicorn"])
def test_a_server_that_listens_elsewhere(by):
    with served(host="0.0.0.0", **({"by": BY_UVICORN} if by == "uvicorn" else {})) as where:  # noqa: SIM117
        with visiting(where) as visitor:
            assert is_locked(visitor)
            assert "A shared dashboard treats everyone as a visitor" in visitor.visit("evaluate")


@attempt(
    "A visitor forges the messages that are sent when a local user enters the name of a run and clicks *Start run*",
    "No run is started, and no folder is created",
)
def test_a_forged_click(address):
    with visiting(address) as owner:
        owner.visit("evaluate")
    messages = [typed(owner.widgets["Run name"], "forged"), clicked(owner.widgets["Start run"])]
    before = set(runs_dir().iterdir()) if runs_dir().is_dir() else set()
    with visiting(address, PROXIED) as visitor:
        words = visitor.visit("evaluate", *messages)
        assert "has been started" not in words
        assert is_locked(visitor)
    assert (set(runs_dir().iterdir()) if runs_dir().is_dir() else set()) == before


@attempt(
    "A visitor opens a URL of the *Evaluate your model* page that contains the paths of a corpus, a model and a run",
    "No file is read, because the form is not shown",
)
def test_a_path_in_a_link(address):
    query = "new-name=x&new-corpus=folder:/etc&new-models=hf:../../etc/passwd,file:/etc/passwd&run=../../etc"
    with visiting(address, PROXIED, query=query) as visitor:
        words = visitor.visit("evaluate")
        assert "is not available to visitors" in words
        assert "/etc" not in words.replace("'../../etc'", "")
        assert "Pictures" not in visitor.widgets


@attempt(
    "A local user enters a path as a model name: `../../etc/passwd`, `timm:../../etc/passwd` or `hf:../../etc/passwd`",
    "An error message; the content of the file is not shown",
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


@attempt(
    "A local user enters `../x`, `<script>`, `-rf` or `a/b` as the name of a run",
    "An error message that lists the allowed characters",
)
@pytest.mark.parametrize("name", ["../x", "<script>alert(1)</script>", "-rf", "a/b", "a\nb"])
def test_a_run_name_that_is_none(address, name):
    with visiting(address) as owner:
        owner.visit("evaluate")
        words = owner.visit("evaluate", typed(owner.widgets["Run name"], name), clicked(owner.widgets["Start run"]))
        assert "Use only letters, digits, dots, dashes and underscores" in words
        assert "has been started" not in words


@attempt(
    "The folder of a run is named `<img src=x onerror=alert(1)> **bold**`", "The name is escaped and shown as text"
)
def test_a_run_name_with_markup(address):
    with visiting(address) as visitor:
        words = visitor.visit("evaluate")
        assert "\\<img src=x onerror=alert\\(1\\)\\> \\*\\*bold\\*\\*" in words
        assert "<img" not in words.replace("\\<img", "")


@attempt(
    "A user forges a message that would clear all visitors' caches and the user's own session",
    "The message is ignored, and the session continues",
)
def test_clearing_the_caches(address):
    with visiting(address, None, None, *FOLDER) as owner:
        owner.visit("try")
        typed_in = "The folder '/none' does not exist on this computer"
        start = clicked(owner.widgets["Start"])
        assert typed_in in owner.visit("try", typed(owner.widgets["Folder"], "/none"), start).replace("\\", "")
        owner.socket.send(BackMsg(clear_cache=True).SerializeToString())
        assert typed_in in owner.visit("try", start).replace("\\", ""), "the session goes on"


@attempt(
    "Path traversal, with and without URL encoding: `/static/../../etc/passwd`, `//etc/passwd`, `/media/..`, "
    "`/explorer/..`",
    "400, 404, or the HTML of the dashboard instead of the file",
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
    "A browser requests a page, an image, a nonexistent file or the health check",
    "Every response has the security headers `Content-Security-Policy` (same-origin sources only, no framing), "
    "`X-Content-Type-Options: nosniff` and `Referrer-Policy: no-referrer`",
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
