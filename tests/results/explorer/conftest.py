"""The explorer of the made run in a browser, without a server."""

from __future__ import annotations

import base64
import json

import pytest

from lab.devtools.browser import complaints_of
from probing_core.results import Run
from probing_core.results.explorer import explorer_data, packed
from probing_core.results.explorer.data import SCRIPTS, source

MODELS = ["zoo/mae", "timm:tf_efficientnet_lite0", "baseline/pixels", "baseline/handcrafted"]

SETUP = """
window.functions = { smoothed };
window.requests = [];  // of parts, each {name, answer(), fail()}, in the order in which they were made
window.start = async (header, parts) => {
  const bytes = (name) => new Promise((resolve, reject) => {
    const buffer = Uint8Array.from(atob(parts[name]), (one) => one.charCodeAt(0)).buffer;
    window.requests.push({ name, answer: () => resolve(buffer), fail: () => reject(new Error("offline")) });
    if (window.answersAtOnce) window.requests.at(-1).answer();
  });
  window.answersAtOnce = true;
  window.explorer = await explore(document.querySelector("main"), await open(header, bytes));
  window.answersAtOnce = false;
  window.requests = [];
};
"""


@pytest.fixture
def page(made_run, chromium):
    """The explorer of four models, two of which are loaded; what it requests next is answered by the test."""
    header, parts = packed(explorer_data(Run.open(made_run), MODELS))
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page = context.new_page()
    complaints = complaints_of(page)
    page.set_content("<!doctype html><main></main>")
    page.add_style_tag(content=source("explorer.css"))
    page.add_script_tag(content=source(*SCRIPTS) + SETUP, type="module")
    page.wait_for_function("() => window.start")
    texts = {name: base64.b64encode(part).decode() for name, part in parts.items()}
    page.evaluate("([header, parts]) => start(header, parts)", json.loads(json.dumps([header, texts])))
    yield page
    assert complaints == []
    context.close()
