"""`probing_core.samples`: the transformed images by which an encoder is scored, for one that runs elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import probing_core
from probing_core.run.options import Options
from probing_core.run.stages import export
from tests.conftest import scene

TRANSFORMS = ("brighten", "contrast", "gaussian-blur", "motion-blur")


@pytest.fixture(scope="module")
def samples():
    return probing_core.samples([scene(i, 60) for i in range(4)], transforms=TRANSFORMS, view=32)


def test_they_are_a_sequence_in_one_order(samples):
    assert len(samples) == 4 * 6
    one_by_one = [samples[i] for i in range(len(samples))]
    assert all(image.shape == (32, 32, 3) and image.dtype == np.uint8 for image in one_by_one)
    for made in (list(samples), samples[:], [samples[i - len(samples)] for i in range(len(samples))]):
        assert all(np.array_equal(a, b) for a, b in zip(made, one_by_one, strict=True))
    assert np.array_equal(samples[3:9:2][1], one_by_one[5])
    with pytest.raises(IndexError):
        samples[len(samples)]


def test_the_table_says_what_each_of_them_is(samples):
    table = samples.table
    assert len(table) == len(samples)
    first = table[table["image_id"] == table["image_id"][0]]
    assert first["transform"].tolist() == ["identity", "identity", *TRANSFORMS]
    assert first["draw"].tolist() == [0, 1, 0, 0, 0, 0]


def test_they_are_those_of_a_run(few_scenes, tmp_path):
    import pandas as pd
    from PIL import Image

    options = Options(corpus=f"folder:{few_scenes}", view=32, transforms=TRANSFORMS, models="baseline/pixels")
    export(tmp_path / "run", tmp_path / "out", options)
    listed = pd.read_csv(tmp_path / "out" / "samples.csv")
    samples = probing_core.samples(few_scenes, transforms=TRANSFORMS, view=32)
    assert samples.table["transform"].tolist() == listed["transform"].tolist()
    for place in (0, 7, len(samples) - 1):
        assert np.array_equal(samples[place], np.asarray(Image.open(tmp_path / "out" / listed["file"][place])))
