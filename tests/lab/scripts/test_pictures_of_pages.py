"""Pictures of pages and the moving picture, taken of the made run."""

from __future__ import annotations

import pytest
from PIL import Image

from lab.devtools.browser import ADDRESSES, IN_BROWSER
from lab.scripts import movie
from lab.scripts.screenshots import take

pytestmark = [*IN_BROWSER, pytest.mark.slow]


def test_a_picture_of_a_page_has_the_size_of_the_window(made_run, tmp_path):
    pages = {"models": ADDRESSES["models"]}
    (file,) = take(made_run, tmp_path, 390, 700, ["dark"], pages)
    assert file == tmp_path / "models-dark.png"
    assert Image.open(file).size == (390, 700)


def test_the_moving_picture_has_a_frame_for_each_act(made_run, tmp_path):
    shots = [shot for shot in movie.SHOTS if shot.act is not movie.scroll]
    pictures, seconds, _ = movie.make(made_run, tmp_path / "demo.webp", shots)
    found = Image.open(tmp_path / "demo.webp")
    assert found.size == movie.SHOWN
    assert 1 < found.n_frames <= pictures, "alike frames are joined"
    assert seconds > 0
