"""docs/protocols.md and its pictures are what the presets hold today."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PilImage

from lab.devtools.commands import generated
from lab.scripts.preset_docs import BEGIN, PAGE, picture_of, sheet, table, wholes
from probing_core.transforms import Preset

REGENERATE = "run `python -m lab.scripts.preset_docs`"
MAX_BYTES = 600_000
MAX_LOSS = 2.5
"""Of 255; WebP loses 1.3 of one and 1.6 of the other."""


@pytest.mark.parametrize("preset", [pytest.param(preset, id=preset.name) for preset in wholes()])
def test_the_page_has_the_table_and_the_picture_of_each_preset(preset: Preset) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert generated(page, BEGIN.format(preset.name)) == table(preset), REGENERATE
    assert f"(pictures/{picture_of(preset).name})" in page
    saved, drawn = PilImage.open(picture_of(preset)).convert("RGB"), sheet(preset)
    assert saved.size == drawn.size, REGENERATE
    # Reduced, so that what WebP loses of noise averages out.
    one, other = (np.asarray(picture.reduce(8), float) for picture in (saved, drawn))
    assert np.abs(one - other).mean() < MAX_LOSS, REGENERATE


def test_pictures_are_small() -> None:
    assert sum(picture_of(preset).stat().st_size for preset in wholes()) < MAX_BYTES
