from __future__ import annotations

import numpy as np

from probing_core.transforms import bank, cut_view, generator, prepare_source
from probing_core.transforms.contact_sheet import GAP, LABEL, MARGIN_LEFT, STRENGTHS, contact_sheet
from tests.transforms.pictures import photograph


def test_every_transform_at_three_strengths_in_its_place() -> None:
    image, view = photograph(), 64
    sheet = contact_sheet(image, seed=3, view=view)
    source = prepare_source(image, view)
    for index, transform in enumerate(bank()[1:]):
        row, column = divmod(index, 3)
        for step, fraction in enumerate(STRENGTHS):
            top = GAP + (row + 1) * (view + LABEL + GAP) + LABEL
            left = MARGIN_LEFT + column * (len(STRENGTHS) * (view + 1) + GAP) + step * (view + 1)
            rng = generator(3, "sheet", transform.name)
            expected = cut_view(source, view, transform, transform.strength_at(fraction), rng)
            assert (sheet[top : top + view, left : left + view] == expected).all(), transform.name
    assert sheet.dtype == np.uint8
