"""What the strength slider shows of a picture."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from dashboard import pictures
from dashboard.strength import EACH, _some, preview
from probing_core.images import read_image
from probing_core.transforms import CATALOG
from probing_core.transforms.distance import color_difference
from tests.transforms.pictures import photograph

VIEW = 96


def picture_of(url: str) -> np.ndarray:
    return read_image(base64.b64decode(url.partition(",")[2]))


@pytest.mark.parametrize("name", ["fog", "rotate", "text"])
def test_a_preview_sends_every_picture_once(name):
    picture = pictures.chosen("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    transform = CATALOG.get(name)
    shown = preview.__wrapped__(picture, picture.key, VIEW, transform, name)
    assert len(shown.frames) == len(shown.strengths) == len(shown.before) == len(shown.after)
    assert len(set(shown.clean)) == len(shown.clean) == len({image.tobytes() for image in shown.before})
    for frame, before, after in zip(shown.frames, shown.before, shown.after, strict=True):
        assert np.array_equal(picture_of(shown.clean[frame["before"]]), before)
        assert np.array_equal(picture_of(frame["after"]), after)


@pytest.mark.parametrize("shape", [(128, 128), (97, 64)])
def test_some_pixels_stand_for_all(shape):
    image = np.ascontiguousarray(photograph()[: shape[0], : shape[1]])
    changed = 255 - image
    assert _some(image).shape == (shape[0] // EACH, shape[1] // EACH, 3)
    assert np.array_equal(_some(changed), 255 - _some(image))
    told = color_difference(_some(image), _some(changed))
    assert told == pytest.approx(color_difference(image, changed), rel=0.02)
