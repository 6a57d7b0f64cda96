from __future__ import annotations

import base64
import getpass
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from lab.devtools.browser import IN_BROWSER, complaints_of
from probing_core.errors import UnknownName
from probing_core.results import Run
from probing_core.results.explorer import explorer_data, shared_file, write_shared_file
from probing_core.results.explorer.shared_file import leaving
from tests.results.explorer.counting import counts, points, random_selection

MODELS = ["zoo/mae", "timm:tf_efficientnet_lite0", "baseline/pixels"]
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def shared(made_run, tmp_path_factory):
    """The run, what was written, its text, and what was announced."""
    run, said = Run.open(made_run), []
    written = write_shared_file(run, tmp_path_factory.mktemp("shared") / "run.html", MODELS, announce=said.append)
    return run, written, written.path.read_text(), said


def test_the_licenses_are_said_before_the_file_is_there(shared):
    run, written, _, said = shared
    used = run.images[run.images["used"]]
    assert sum(written.licenses.values()) == written.photographs == len(used)
    assert all(f"{count:,} under {name}" in said[0] for name, count in written.licenses.items())
    assert "No photograph" in leaving({}, "they were left out")


def test_it_loads_nothing_and_runs_its_own_script_alone(shared):
    _, _, text, _ = shared
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.search(r'<script type="module">(.*?)</script>', text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r"\bimport\s*[({\"'*]|\bfetch\(|XMLHttpRequest|\beval\(|innerHTML|<link|\ssrc=", text)


def test_it_names_neither_folder_nor_user(made_run, tmp_path):
    run = Run.open(made_run)
    data = explorer_data(run, MODELS)
    path = f"onnx:/home/{getpass.getuser()}-x/secret/encoder.onnx@weights=/mnt/secret/w.pt"
    named = replace(data, models=(replace(data.models[0], name=path, title=path), *data.models[1:]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_file, "explorer_data", lambda *_, **__: named)
        text = write_shared_file(run, tmp_path / "x.html", MODELS, pictures="none").path.read_text()
    assert "onnx:encoder.onnx@weights=w.pt" in text
    for private in ("secret", "/home/", str(made_run), str(tmp_path), f"{getpass.getuser()}-x"):
        assert private not in text


def test_pictures_have_no_metadata_and_stay_within_the_limit(shared, tmp_path):
    run, written, text, _ = shared
    assert written.bytes <= shared_file.MOST_BYTES
    assert written.large == written.photographs  # sixteen images fit
    header = json.loads(re.search(r"data-header>(.*?)</script>", text, re.S)[1])
    sheets = re.search(r"data-bytes>(.*?)</script>", text, re.S)[1]
    for offset, length in [*header["pictures"]["small"], *header["pictures"]["large"].values()]:
        sheet = base64.b64decode(sheets[offset : offset + length])
        assert sheet[:4] == b"RIFF"
        assert b"EXIF" not in sheet
    limit = written.bytes - 200_000
    less = write_shared_file(run, tmp_path / "less.html", MODELS, most_bytes=limit)
    assert less.bytes <= limit
    assert less.photographs == written.photographs
    assert less.large < written.large
    none = write_shared_file(run, tmp_path / "none.html", MODELS, pictures="none")
    assert (none.photographs, none.licenses) == (0, {})
    assert '"pictures":null' in none.path.read_text()


def test_an_unknown_model_leaves_no_file(made_run, tmp_path):
    with pytest.raises(UnknownName):
        write_shared_file(Run.open(made_run), tmp_path / "x.html", ["zoo/none"])
    assert not list(tmp_path.iterdir())


class TestInABrowser:
    pytestmark = IN_BROWSER

    @pytest.fixture
    def page(self, chromium):
        context = chromium.new_context(viewport={"width": 1060, "height": 760}, offline=True)
        yield context.new_page()
        context.close()

    def test_counts_of_random_selections_are_those_of_pandas(self, shared, page):
        run, written, _, _ = shared
        data = explorer_data(run, MODELS)
        table = points(run, data)
        complaints = complaints_of(page)
        page.goto(written.path.as_uri())
        page.wait_for_function("() => window.explorer")
        rng = np.random.default_rng(0)
        for _ in range(50):
            chosen = random_selection(data, rng)
            found = page.evaluate("async (chosen) => { await explorer.select(chosen); return explorer.counts(); }", chosen)
            expected = counts(data, table, chosen)
            difference = [np.nan if one is None else one for one in found.pop("difference")]
            wanted = [np.nan if one is None else one for one in expected.pop("difference")]
            np.testing.assert_allclose(difference, wanted, rtol=1e-3, atol=1e-9)
            assert found == expected, chosen
            again = page.evaluate(
                "async () => { const all = explorer.counts(), kept = explorer.selection(); await explorer.select({});"
                "await explorer.select(kept); return JSON.stringify(explorer.counts()) === JSON.stringify(all); }"
            )
            assert again, chosen
        assert complaints == []

    def test_from_the_first_screen_to_a_picture_by_lasso_cell_and_keys(self, shared, page):
        _, written, _, _ = shared
        page.goto(written.path.as_uri())
        page.wait_for_selector(".px-chip")  # at the first visit a cell is chosen
        page.keyboard.press("Escape")
        assert page.locator(".px-chip").count() == 0
        everything = page.evaluate("() => explorer.counts().n")
        box = page.locator(".px-map-a .px-plane").bounding_box()
        corners = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)]
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
        page.mouse.move(*at[0])
        page.mouse.down()
        for place in at[1:]:
            page.mouse.move(*place, steps=4)
        page.mouse.up()
        enclosed = page.evaluate("() => explorer.counts().n")
        assert 0 < enclosed < everything
        page.reload()  # the address has the selection
        page.wait_for_selector(".px-chip")
        assert page.evaluate("() => explorer.counts().n") == enclosed
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert len(download.value.path().read_text().splitlines()) == enclosed + 1
        page.locator(".px-matrix canvas").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator(".px-chip").count() == 2
        page.keyboard.press("Escape")
        page.locator(".px-map-b canvas").nth(1).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        assert page.locator("dialog .px-says").count() == len(MODELS)
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0

    def test_a_hostile_label_is_text(self, made_run, page, tmp_path):
        run = Run.open(made_run)
        data = explorer_data(run, MODELS)
        first = replace(data.classes[7], name=HOSTILE, title=HOSTILE)
        hostile = replace(
            data,
            classes=(*data.classes[:7], first, *data.classes[8:]),
            labels=(HOSTILE,) * len(data.labels),
            licenses=(HOSTILE,) * len(data.licenses),
            models=(replace(data.models[0], title=HOSTILE), *data.models[1:]),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shared_file, "explorer_data", lambda *_, **__: hostile)
            path = write_shared_file(run, tmp_path / "hostile.html", MODELS).path
        assert "<img src" not in path.read_text()
        page.goto(path.as_uri())
        page.wait_for_selector(".px-open")
        page.locator(".px-open").first.click()
        page.wait_for_selector("dialog[open]")
        page.wait_for_timeout(100)
        assert page.title() == shared_file.TITLE
        assert page.locator("img").count() == 0
        assert page.locator("option").first.inner_text() == HOSTILE
