"""The photographs of the quick protocol."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.training.quick_protocol import QUICK_PHOTOGRAPHS, choose_quick_images
from probing_core.paths import reference_run
from probing_core.results.run import Run


@pytest.fixture(scope="module")
def images() -> pd.DataFrame:
    return Run.open(reference_run()).images


def test_choose_quick_images_takes_one_image_of_each_photograph_and_enough_of_them(images):
    chosen = choose_quick_images(images)
    counts = chosen["split"].value_counts().to_dict()
    assert counts == QUICK_PHOTOGRAPHS
    assert counts["test"] >= 150
    assert chosen["base_id"].is_unique
    assert chosen["used"].all()


def test_choose_quick_images_is_stratified_by_label(images):
    chosen = choose_quick_images(images)
    photographs = images[images["used"]].drop_duplicates("base_id")
    for split, count in QUICK_PHOTOGRAPHS.items():
        everything, part = (rows[rows["split"] == split]["label"].value_counts() for rows in (photographs, chosen))
        expected = everything * count / everything.sum()
        assert (part.reindex(everything.index).fillna(0) - expected).abs().max() <= 1


def test_choose_quick_images_depends_on_names_alone(images):
    chosen = choose_quick_images(images)
    pd.testing.assert_frame_equal(choose_quick_images(images.iloc[::-1]).sort_index(), chosen)
    # The images that were chosen choose themselves, so a model is tested on the photographs of those in the run.
    pd.testing.assert_frame_equal(choose_quick_images(chosen), chosen)


def test_choose_quick_images_takes_all_of_a_small_run(images):
    few = images[images["used"]].drop_duplicates("base_id").groupby("split").head(10)
    assert np.array_equal(choose_quick_images(few).index, sorted(few.index))
