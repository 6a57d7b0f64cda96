"""What every transform and every alternative makes of two small pictures, pinned.

A function that changes must raise the revision of its entry, or runs would mix its old pictures with new ones. Then

    python -m tests.transforms.test_revisions

pins what it makes now. Processors and libraries may round in another way, so that pictures agree within `LEVELS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from probing_core.run.calibrate import DETECTOR_CODE_VERSION
from probing_core.run.work import SAMPLES_CODE_VERSIONS
from probing_core.transforms import CATALOG
from probing_core.transforms.alternatives import WIDER_ALTERED, clean, wider_clean
from probing_core.transforms.transformation import Image, Transform, digest_answers
from tests.conftest import scene

PINS = Path(__file__).parents[1] / "data" / "revisions.npz"
LEVELS = 2
SIDE = 32

OURS = CATALOG.own
DETECTOR, RENDERING = DETECTOR_CODE_VERSION, SAMPLES_CODE_VERSIONS["rendering"]


def _entries() -> Iterator[tuple[str, object, Callable[[Image, np.random.Generator], Image], int]]:
    """(name, revision, function, draws) of everything that makes samples or what the detector learns from."""
    for transform in OURS:
        made = transform.for_split("train")
        for end in ("weakest", "strongest"):
            apply = partial(made.apply, strength=getattr(made, end))
            yield f"{transform.name} {end}", transform.revision, lambda image, rng, one=apply: one(image, rng=rng), 1
        if transform.alternative is not None:
            yield f"{transform.name} alternative", transform.alternative_revision, transform.alternative, 3
    for name, wider in WIDER_ALTERED.items():
        yield f"{name} wider", DETECTOR, wider, 3
    yield "clean", RENDERING, lambda image, rng: clean(image, SIDE, rng), 3
    yield "wider clean", DETECTOR, lambda image, rng: wider_clean(image, SIDE, rng), 3


def _answers(function: Callable[[Image, np.random.Generator], Image], draws: int) -> np.ndarray:
    picture = scene(7, SIDE)
    return np.stack([function(picture.copy(), np.random.default_rng(draw)) for draw in range(draws)])


def test_every_entry_is_pinned_once() -> None:
    names = [name for name, *_ in _entries()]
    assert len(set(names)) == len(names)
    with np.load(PINS) as pins:
        assert set(pins) == {*names, "revisions"}
    for transform in OURS:
        assert transform.revision is not None, f"{transform.name} states no revision"
        assert (transform.alternative is None) == (transform.alternative_revision is None), transform.name


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry[0]) for entry in _entries()])
def test_a_function_that_changes_raises_its_revision(entry) -> None:
    name, revision, function, draws = entry
    with np.load(PINS) as pins:
        pinned, before = pins[name], json.loads(str(pins["revisions"]))[name]
    assert revision == before, f"pin what {name} makes now: python -m tests.transforms.test_revisions"
    differ = np.abs(_answers(function, draws).astype(int) - pinned) > LEVELS
    assert not differ.any(), (
        f"{name} makes other pictures ({differ.mean():.1%} of the numbers differ by more than {LEVELS} levels): "
        f"raise the revision of {name}"
    )


def test_a_change_is_found() -> None:
    name, revision, function, draws = next(e for e in _entries() if e[0] == "fog strongest")
    changed = lambda image, rng: np.clip(function(image, rng).astype(int) + 3, 0, 255).astype(np.uint8)  # noqa: E731
    with pytest.raises(AssertionError, match="raise the revision of fog strongest"):
        test_a_function_that_changes_raises_its_revision((name, revision, changed, draws))


def _foreign(pixels) -> Transform:
    fog = CATALOG.get("fog")
    return replace(fog, revision=None, pixels=pixels, alternative=None, alternative_revision=None)


def test_a_transform_without_a_revision_is_keyed_by_its_answers() -> None:
    def darker(image, strength, rng):
        return (image * 0.5).astype(np.uint8)

    def almost(image, strength, rng):
        made = darker(image, strength, rng)
        made[0, 0] += 1
        return made

    key = _foreign(darker).key
    assert replace(_foreign(darker), definition="In other words.").key == key
    assert _foreign(almost).key == key, "another processor may round a pixel in another way"
    assert _foreign(lambda image, strength, rng: (image * 0.47).astype(np.uint8)).key != key
    assert _foreign(lambda image, strength, rng: np.ascontiguousarray(darker(image, strength, rng)[:, ::-1])).key != key

    def noisy(image, rng, deviation):
        return (image * 0.5 + rng.normal(0, deviation, image.shape)).clip(0, 255).astype(np.uint8)

    faint, strong = ([partial(noisy, deviation=deviation)] for deviation in (8, 16))
    assert digest_answers(faint) == digest_answers(faint) != digest_answers(strong)


def pin() -> None:
    stated = {name: revision for name, revision, *_ in _entries()}
    pictures = {name: _answers(function, draws) for name, _, function, draws in _entries()}
    PINS.parent.mkdir(exist_ok=True)
    np.savez_compressed(PINS, revisions=json.dumps(stated), **pictures)


if __name__ == "__main__":
    pin()
