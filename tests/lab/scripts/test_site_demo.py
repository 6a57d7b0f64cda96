"""The live demo, in a site that is served from a subfolder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.devtools.browser import IN_BROWSER
from lab.scripts.site_demo import DEMO, answer_of, write_demo
from probing_core.results import Run
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.data import shared_models
from probing_core.results.explorer.shared_file import MOST_BYTES
from probing_core.results.explorer.tour import tour_of

pytestmark = IN_BROWSER
ROOT = Path(__file__).parents[3]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(made_run, tmp_path_factory):
    """URL of the site in the folder /probing/ of a server, and the folder itself."""
    root = tmp_path_factory.mktemp("server")
    settings = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(root / "probing")]
    built = subprocess.run(command, check=False, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert write_demo(Run.open(made_run), root / "probing").bytes <= MOST_BYTES
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/probing/", root / "probing"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_demo_answers_a_question_from_the_index_and_loads_nothing_from_elsewhere(site, chromium, made_run):
    address, _ = site
    answer = answer_of(chromium, address)
    data = explorer_data(Run.open(made_run), shared_models(Run.open(made_run)))
    assert answer.endswith(tour_of(data, "fog")[1].answer)


@pytest.mark.slow
def test_check_refuses_a_demo_that_requests_something_from_elsewhere(site, chromium):
    address, folder = site
    page = folder / "index.html"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", '<img src="http://127.0.0.1:9/x.png"></body>'), encoding="utf-8")
    try:
        with pytest.raises(SystemExit, match=r"x\.png"):
            answer_of(chromium, address)
    finally:
        page.write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_links_to_the_demo_lead_to_its_file(site):
    _, folder = site
    for page in ("index.html", "demo.html"):
        text = (folder / page).read_text(encoding="utf-8")
        links = [link for link in re.findall(r'href="([^"]+)"', text) if DEMO in link]
        assert links
        assert all((folder / link).is_file() for link in links)
