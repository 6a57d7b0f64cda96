"""The points of maps: what is enclosed, what is nearest, and what the browser gets."""

from __future__ import annotations

import numpy as np
import pytest
from dashboard.data.map_points import codes_of, most_frequent
from dashboard.data.point_cloud import find_cloud, point_cloud, table_of
from matplotlib.path import Path as Polygon

from probing_core.compute.names import READINGS
from probing_core.results import Run

MODEL = "zoo/mae"


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


@pytest.fixture(scope="module")
def cloud(run):
    return point_cloud(run, MODEL)


def test_points_fill_their_square_and_lead_back_to_the_map(run, cloud):
    placed = run.map(MODEL)
    assert np.abs(cloud.points).max() <= 1
    assert np.abs(cloud.points).max() > 0.9
    table = table_of(cloud, "group")
    np.testing.assert_allclose(table.sort_values("sample")[["x", "y"]], placed[["x", "y"]], atol=1e-4)
    assert (table["category"].to_numpy() == run.samples["group"].to_numpy()[table["sample"]]).all()
    assert find_cloud(cloud.address.split("/")[1]) is cloud


def test_points_are_drawn_in_random_order_which_is_the_same_in_every_reading(run, cloud):
    assert sorted(cloud.samples) == list(range(len(run.samples)))
    assert abs(np.corrcoef(cloud.samples, np.arange(len(cloud)))[0, 1]) < 0.2
    for reading in READINGS:
        other = point_cloud(run, MODEL, reading)
        assert np.array_equal(other.samples, cloud.samples)
        placed = run.map(MODEL, reading).set_index("sample").loc[other.samples]
        np.testing.assert_allclose(other.points * other.half + other.middle, placed[["x", "y"]], atol=1e-4)


def test_every_category_has_a_place_for_its_name(run, cloud):
    names, _ = codes_of(run, MODEL, "group")
    places = cloud.places("group")
    assert [code for code, _, _ in places] == list(range(len(names)))
    assert cloud.places("strength") == []


@pytest.mark.parametrize("seed", range(5))
def test_a_lasso_encloses_what_matplotlib_encloses(cloud, seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.2, 1, (40, 1))
    inside = Polygon(corners).contains_points(cloud.points)
    assert 0 < inside.sum() < len(cloud)
    assert np.array_equal(cloud.enclosed(corners), np.sort(cloud.samples[inside]))


def test_what_the_legend_hides_is_neither_enclosed_nor_found(run, cloud):
    names, codes = codes_of(run, MODEL, "group")
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    hidden = [names.index("blur"), names.index("noise")]
    found = cloud.enclosed(square, "group", hidden)
    assert np.array_equal(found, np.flatnonzero(~run.samples["group"].isin(["blur", "noise"])))
    x, y = cloud.points[codes[cloud.samples] == hidden[0]][0].tolist()
    group = lambda position: run.samples["group"].iloc[cloud.samples[position]]  # noqa: E731
    assert group(cloud.nearest(x, y, 4)) == "blur"
    assert group(cloud.nearest(x, y, 4, "group", hidden)) not in ("blur", "noise")


def test_the_nearest_point_is_the_nearest_within_reach(cloud):
    rng = np.random.default_rng(0)
    for x, y in rng.uniform(-1, 1, (20, 2)):
        distances = np.hypot(*(cloud.points - [x, y]).T)
        assert cloud.nearest(x, y, 4) == distances.argmin()
        assert cloud.nearest(x, y, distances.min() * 0.99) is None


@pytest.mark.parametrize("coloring", ["transform", "group", "label", "correct", "strength"])
def test_codes_are_the_categories_of_the_samples(run, cloud, coloring):
    names, codes = codes_of(run, MODEL, coloring)
    assert codes.dtype == np.uint8
    assert np.array_equal(cloud.codes(coloring), codes[cloud.samples])
    if coloring in ("transform", "group", "label"):
        facts = run.samples[coloring]
        expected = most_frequent(facts) if coloring == "label" else facts
        assert [names[code] for code in codes] == expected.tolist()
    elif coloring == "correct":
        tested = run.predictions(MODEL, "fine")
        assert ((codes == 0).sum(), (codes == 1).sum()) == (tested["correct"].sum(), (~tested["correct"]).sum())
    else:
        assert codes.max() > 200


def test_a_point_has_the_text_of_its_sample(run, cloud):
    row = run.samples.iloc[cloud.samples[40]]
    assert cloud.text(40).startswith(row["transform"])
    assert cloud.text(40).endswith(f" · {row['label']}")
