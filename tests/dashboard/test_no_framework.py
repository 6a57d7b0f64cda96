"""Pages that only read start without any deep-learning framework: a fresh process opens them all."""

from __future__ import annotations

import subprocess
import sys

from tests.dashboard.conftest import APP, PAGES

READ = ("Models", "Layers", "Generalization", "Transformations", "Methods")

CODE = """
import sys
from streamlit.testing.v1 import AppTest
app, run, *pages = sys.argv[1:]
sys.argv = ["app.py", "--run", run]
test = AppTest.from_file(app, default_timeout=120)
for page in pages:
    test.switch_page(page).run()
    assert not test.exception, (page, test.exception)
loaded = {"torch", "timm", "open_clip", "transformers", "umap"} & set(sys.modules)
assert not loaded, loaded
"""


def test_read_pages_import_no_framework(made_run):
    pages = [PAGES[name] for name in READ]
    command = [sys.executable, "-c", CODE, str(APP), str(made_run), *pages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
