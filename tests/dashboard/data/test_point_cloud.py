"""The points of large maps: what is enclosed, what is nearest, and what the browser gets."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Polygon

from dashboard.data.map_points import codes_of, most_frequent
from dashboard.data.point_cloud import find_cloud, point_cloud, table_of
from probing_core.results import Run

MODEL = "zoo/mae"


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


@pytest.fixture(scope="module")
def cloud(run):
    return point_cloud(run, MODEL, tuple(run.classes("group")))


def test_points_fill_their_square_and_lead_back_to_the_map(run, cloud):
    placed = run.map(MODEL)
    assert np.abs(cloud.points).max() <= 1
    assert np.abs(cloud.points).max() > 0.9
    table = table_of(cloud, "group")
    np.testing.assert_allclose(table[["x", "y"]], placed[["x", "y"]], atol=1e-4)
    assert (table["category"] == run.samples["group"]).all()
    assert find_cloud(cloud.address.split("/")[1]) is cloud


def test_groups_are_taken_out_and_the_others_stay_where_they_are(run, cloud):
    some = point_cloud(run, MODEL, ("blur", "noise"))
    there = run.samples["group"].isin(["blur", "noise"]).to_numpy()
    assert np.array_equal(some.samples, np.flatnonzero(there))
    assert np.array_equal(some.points, cloud.points[there])


@pytest.mark.parametrize("seed", range(5))
def test_a_lasso_encloses_what_matplotlib_encloses(cloud, seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.2, 1, (40, 1))
    inside = Polygon(corners).contains_points(cloud.points)
    assert 0 < inside.sum() < len(cloud)
    assert np.array_equal(cloud.enclosed(corners), np.flatnonzero(inside))


def test_what_the_legend_hides_is_neither_enclosed_nor_found(run, cloud):
    names, codes = codes_of(run, MODEL, "group")
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    hidden = [names.index("blur"), names.index("noise")]
    found = cloud.enclosed(square, "group", hidden)
    assert np.array_equal(found, np.flatnonzero(~run.samples["group"].isin(["blur", "noise"])))
    x, y = cloud.points[codes == hidden[0]][0].tolist()
    assert run.samples["group"].iloc[cloud.nearest(x, y, 4)] == "blur"
    assert run.samples["group"].iloc[cloud.nearest(x, y, 4, "group", hidden)] not in ("blur", "noise")


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
    row = run.samples.iloc[40]
    assert cloud.text(40).startswith(row["transform"])
    assert cloud.text(40).endswith(f"{row['label']} · {row['image_id']}")
