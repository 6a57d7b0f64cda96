"""The star of transformations against slow loops, scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from probing_core.compute.star import (
    MEAN,
    TERCILES,
    Versions,
    compressed,
    make_star,
    offsets_of_one,
    photograph_distance,
    principal_directions,
    star_rows,
    turn_onto,
    turned,
)
from probing_core.transforms import resolve

NAMES = ("identity", "gaussian-blur", "gaussian-noise", "rotate", "posterize")
TRANSFORMS = {name: resolve(name) for name in NAMES}
PHOTOGRAPHS, VIEWS, D = 24, 2, 9


@pytest.fixture(scope="module")
def main() -> Versions:
    """Each transformation moves along an axis of its own, the stronger the farther, besides noise."""
    rng = np.random.default_rng(0)
    rows, X = [], []
    for image in range(PHOTOGRAPHS * VIEWS):
        content = rng.normal(0, 1, D)
        for i, name in enumerate(NAMES):
            position = rng.uniform()
            strength = np.nan if name == "identity" else TRANSFORMS[name].strength_at(position)
            rows.append({"image_id": f"i{image}", "base_id": f"b{image // VIEWS}", "transform": name})
            rows[-1] |= {"strength": strength}
            moved = np.eye(D)[i] * i * (0.3 + position) if i else 0
            X.append(content + moved + rng.normal(0, 0.1, D))
    order = rng.permutation(len(rows))  # the rows of an image need not stand together
    return Versions(pd.DataFrame(rows).iloc[order].reset_index(drop=True), np.array(X, np.float32)[order])


def slow_offset(main: Versions, name: str) -> np.ndarray:
    clean = {r.image_id: x for r, x in zip(main.rows.itertuples(), main.X, strict=True) if r.transform == "identity"}
    moved = [
        x.astype(np.float64) - clean[r.image_id]
        for r, x in zip(main.rows.itertuples(), main.X, strict=True)
        if r.transform == name
    ]
    return np.mean(moved, axis=0)


def test_offsets_are_means_over_images_in_units_of_the_distance_between_photographs(main):
    table = make_star(main, None, TRANSFORMS).table
    clean = main.rows["transform"] == "identity"
    X, bases = main.X[clean], main.rows.loc[clean, "base_id"].to_numpy()
    apart = [
        np.linalg.norm(X[i].astype(float) - X[j]) for i in range(len(X)) for j in range(len(X)) if bases[i] != bases[j]
    ]
    unit = np.mean(apart)
    assert photograph_distance(X.astype(np.float64), bases) == pytest.approx(unit)
    means = table[table["step"] == MEAN].set_index("transform")
    assert list(means.index) == list(NAMES[1:])
    for name in NAMES[1:]:
        assert means.loc[name, "value"] == pytest.approx(np.linalg.norm(slow_offset(main, name)) / unit)
        assert means.loc[name, "low"] < means.loc[name, "value"] < means.loc[name, "high"]
    assert set(means["bases"]) == {PHOTOGRAPHS}
    assert set(means["images"]) == {PHOTOGRAPHS * VIEWS}


def test_the_distance_between_photographs_is_that_of_scipy_where_each_has_one_picture():
    X = np.random.default_rng(1).normal(size=(20, 5))
    assert photograph_distance(X, np.arange(20)) == pytest.approx(pdist(X).mean())
    assert photograph_distance(X, np.zeros(20)) == 0


def test_the_axes_are_the_principal_components_about_the_untouched_picture(main):
    means = np.stack([slow_offset(main, name) for name in NAMES[1:]])
    axes, share = principal_directions(means)
    theirs = PCA(2).fit(np.vstack([means, -means]))  # whose mean is the untouched picture
    assert np.allclose(np.abs(theirs.components_ @ axes), np.eye(2), atol=1e-8)
    assert share == pytest.approx(theirs.explained_variance_ratio_.sum())
    table = make_star(main, None, TRANSFORMS).table
    assert table["share"].unique() == pytest.approx([share])
    drawn = table[table["step"] == MEAN]
    assert (np.hypot(drawn["x"], drawn["y"]) <= drawn["value"] + 1e-9).all()
    assert (axes[np.abs(axes).argmax(axis=0), [0, 1]] > 0).all()


def test_offsets_along_one_line_have_one_component():
    axes, share = principal_directions(np.outer([1.0, 2.0, -1.0], [1.0]))
    assert share == pytest.approx(1)
    assert axes.tolist() == [[1, 0]]


def test_without_a_series_a_trail_leads_through_terciles_from_weak_to_strong(main):
    table = make_star(main, None, TRANSFORMS).table
    for name in NAMES[1:]:
        trail = table[(table["transform"] == name) & (table["step"] > MEAN)]
        if name != "posterize":  # a few whole numbers: equal ones stay together
            assert trail["step"].tolist() == list(range(1, TERCILES + 1))
        rows = main.rows[main.rows["transform"] == name]
        thirds = np.array_split(np.sort(rows["strength"].to_numpy()), TERCILES)
        if name != "posterize":
            assert trail["strength"].tolist() == pytest.approx([np.median(third) for third in thirds])
            assert trail["value"].is_monotonic_increasing
        assert trail["images"].sum() == PHOTOGRAPHS * VIEWS
    levels = table[(table["transform"] == "posterize") & (table["step"] > MEAN)]["strength"]
    assert levels.is_monotonic_decreasing, "fewer levels are stronger"


def test_a_trail_of_a_series_has_its_strengths_and_pairs_each_image_with_itself(main):
    rng, rows, X = np.random.default_rng(2), [], []
    clean = main.rows[main.rows["transform"] == "identity"].iloc[::2]
    for at, image in clean.iterrows():
        for position in (-0.5, 0.0, 1.0):
            rows.append({**image, "transform": "gaussian-blur", "strength": 10 + position, "position": position})
            X.append(main.X[at] + (position + 1) * np.eye(D)[1] + 1e-3 * rng.normal(size=D))
    table = make_star(main, Versions(pd.DataFrame(rows), np.array(X)), TRANSFORMS).table
    trail = table[(table["transform"] == "gaussian-blur") & (table["step"] > MEAN)]
    unit = photograph_distance(
        main.X[main.rows["transform"] == "identity"].astype(np.float64),
        main.rows.loc[main.rows["transform"] == "identity", "base_id"].to_numpy(),
    )
    assert trail["strength"].tolist() == [9.5, 10, 11]
    assert (trail["value"] * unit).tolist() == pytest.approx([0.5, 1, 2], abs=0.01)
    others = table[(table["transform"] == "rotate") & (table["step"] > MEAN)]
    assert len(others) == TERCILES, "what the series lacks has terciles"


def test_a_turn_is_that_of_scipy_and_brings_a_mirrored_star_back():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(30, 2))
    angle = 2.0
    mirrored = points @ np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    assert np.allclose(mirrored @ turn_onto(mirrored, points), points)
    target = points + rng.normal(0, 0.5, points.shape)
    assert np.allclose(turn_onto(points, target), orthogonal_procrustes(points, target)[0])


def test_panels_are_turned_onto_the_first_and_keep_their_lengths(main):
    star = make_star(main, None, TRANSFORMS).table
    other = star.assign(x=-star["y"], y=star["x"])[star["transform"] != "rotate"]  # a quarter turn, and one less
    both = turned(pd.concat([star.assign(model="a"), other.assign(model="b")]))
    back = both[both["model"] == "b"].reset_index(drop=True)
    kept = star[star["transform"] != "rotate"].reset_index(drop=True)
    assert np.allclose(back[["x", "y"]], kept[["x", "y"]])
    assert np.allclose(both[both["model"] == "a"][["x", "y"]], star[["x", "y"]])


def test_the_radius_is_compressed_and_the_direction_kept():
    points = np.array([[3.0, 4.0], [0.0, 0.0], [-0.09, 0.0]])
    assert np.allclose(compressed(points), [[3 / 5**0.5, 4 / 5**0.5], [0, 0], [-0.3, 0]])


def test_rows_are_of_tested_images_of_one_repetition_and_one_draw():
    samples = pd.DataFrame(
        [
            {"image_id": f"{i:02}", "transform": name, "repetition": repetition, "draw": draw}
            for i in range(40)
            for repetition in (0, 1)
            for name in (*NAMES, "style-far-00")
            for draw in ((0, 1) if name == "identity" else (0,))
        ]
    )
    ids = [f"{i:02}" for i in range(40)]
    images = pd.DataFrame({"image_id": ids, "base_id": ids, "label": "", "used": True})
    images["split"] = ["test" if i < 10 else "train" for i in range(40)]
    chosen = samples.iloc[star_rows(samples, images, TRANSFORMS)]
    assert set(chosen["image_id"]) == set(ids[:10])
    assert len(chosen) == 10 * len(NAMES)
    few = images.iloc[:20]  # too few for splits: all of them are tested
    assert set(samples.iloc[star_rows(samples, few, TRANSFORMS)]["image_id"]) == set(ids[:20])


def test_one_photograph_has_no_star(main):
    one = (main.rows["base_id"] == "b0").to_numpy()
    table = make_star(Versions(main.rows[one], main.X[one]), None, TRANSFORMS).table
    assert table.empty
    assert "share" in table


def test_a_picture_has_the_offsets_of_a_star_of_that_picture_alone(main):
    star = make_star(main, None, TRANSFORMS)
    image = main.rows["image_id"].iloc[0]
    of_image = {name: main.X[(main.rows["image_id"] == image) & (main.rows["transform"] == name)][0] for name in NAMES}
    before = np.stack([of_image["identity"]] * (len(NAMES) - 1))
    after = np.stack([of_image[name] for name in NAMES[1:]])
    found = offsets_of_one(before, after, star.axes, star.unit)
    for (_, row), name in zip(found.iterrows(), NAMES[1:], strict=True):
        moved = (of_image[name].astype(np.float64) - of_image["identity"]) / star.unit
        assert row["value"] == pytest.approx(np.linalg.norm(moved), rel=1e-5)
        assert [row["x"], row["y"]] == pytest.approx([float(moved @ star.axes[:, 0]), float(moved @ star.axes[:, 1])])


def test_the_mean_of_all_pictures_offsets_is_the_star(main):
    star = make_star(main, None, TRANSFORMS)
    means = star.table[star.table["step"] == MEAN].set_index("transform")
    offsets = np.stack([slow_offset(main, name) for name in NAMES[1:]])
    found = offsets_of_one(np.zeros_like(offsets), offsets, star.axes, star.unit)
    np.testing.assert_allclose(found[["x", "y"]], means.loc[list(NAMES[1:]), ["x", "y"]], atol=1e-5)
    np.testing.assert_allclose(found["value"], means.loc[list(NAMES[1:]), "value"], rtol=1e-6)


def test_single_offsets_have_their_own_mean_length(main):
    table = make_star(main, None, TRANSFORMS)
    means = table.table[table.table["step"] == MEAN].set_index("transform")
    clean = {r.image_id: x for r, x in zip(main.rows.itertuples(), main.X, strict=True) if r.transform == "identity"}
    for name in NAMES[1:]:
        lengths = [
            np.linalg.norm(x.astype(np.float64) - clean[r.image_id])
            for r, x in zip(main.rows.itertuples(), main.X, strict=True)
            if r.transform == name
        ]
        assert means.loc[name, "single"] == pytest.approx(np.mean(lengths) / table.unit)
        assert means.loc[name, "single"] >= means.loc[name, "value"]
