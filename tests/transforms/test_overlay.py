from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from probing_core.transforms.bank.overlay import FONTS, OVERLAY_TEXTS, font, icons
from probing_core.transforms.transformation import PROBE_SPLITS


@pytest.mark.parametrize(("first", "second"), list(combinations(PROBE_SPLITS, 2)))
def test_splits_share_no_font_word_or_icon(first: str, second: str) -> None:
    assert not set(FONTS[first]) & set(FONTS[second])
    assert not {word.lower() for word in OVERLAY_TEXTS[first]} & {word.lower() for word in OVERLAY_TEXTS[second]}
    for one in icons(first):
        for other in icons(second):
            same = len(one) == len(other) and all(
                a.shape == b.shape and np.allclose(a, b) for a, b in zip(one, other, strict=True)
            )
            assert not same


@pytest.mark.parametrize(("first", "second"), list(combinations(PROBE_SPLITS, 2)))
def test_no_type_design_stands_in_two_splits(first: str, second: str) -> None:
    assert not {font(n, 10).getname()[0] for n in FONTS[first]} & {font(n, 10).getname()[0] for n in FONTS[second]}


@pytest.mark.parametrize("split", PROBE_SPLITS)
def test_fonts_have_every_letter(split: str) -> None:
    for name in FONTS[split]:
        face = font(name, 24)
        missing = face.getmask("\uffff")
        for letter in {letter for word in OVERLAY_TEXTS[split] for letter in word if letter != " "}:
            mask = face.getmask(letter)
            assert mask.getbbox() is not None, (name, letter)
            assert bytes(mask) != bytes(missing), (name, letter)


@pytest.mark.parametrize("split", PROBE_SPLITS)
def test_icons_lie_in_their_square(split: str) -> None:
    assert len(icons(split)) == 8
    for icon in icons(split):
        assert all(contour.shape[1] == 2 and np.abs(contour).max() <= 1.05 for contour in icon)
