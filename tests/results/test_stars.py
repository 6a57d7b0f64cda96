from __future__ import annotations

import numpy as np
import pytest

from lab.devtools.made_run import make_run
from probing_core.compute.star import MEAN
from probing_core.results import Run
from probing_core.results.stars import AVERAGE, YOURS, middle_strengths, own_star, stars
from probing_core.run.layout import star_axes_path, star_path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run.open(make_run(tmp_path_factory.mktemp("runs") / "made"))


def test_stars_have_every_model_and_a_tested_picture_of_the_nearest_strength(run):
    table = stars(run)
    assert table["model"].unique().tolist() == run.models["name"].tolist()
    samples = run.samples
    for row in table.sample(40, random_state=0).itertuples():
        own = samples[(samples["transform"] == row.transform) & (samples["split"] == "test")]
        apart = (own["strength"] - row.strength).abs()
        assert row.sample in own["sample"].to_list()
        assert apart[own["sample"] == row.sample].iloc[0] == pytest.approx(apart.min())


def test_the_first_star_is_drawn_as_it_is_at_the_square_root_of_its_lengths(run):
    table, first = stars(run), run.models["name"].iloc[0]
    mine = table[table["model"] == first].set_index(["transform", "step"])
    stored = run.table(star_path(first)).set_index(["transform", "step"]).loc[mine.index]
    assert np.allclose(np.hypot(mine["x"], mine["y"]) ** 2, np.hypot(stored["x"], stored["y"]))
    assert np.allclose(np.arctan2(mine["y"], mine["x"]), np.arctan2(stored["y"], stored["x"]))


def test_hovers_say_strength_unit_and_share(run):
    table = stars(run)
    hovers = table[(table["transform"] == "rain") & (table["step"] == 1)]["hover"]
    assert hovers.str.fullmatch(
        r"rain, [a-z ]+ [\d.,]+ .*: moved by \d+ %( \(\d+ % to \d+ %\))? of the distance between two photographs"
    ).all()
    assert table.loc[table["step"] == 0, "hover"].str.contains("mean over its strengths").all()


@pytest.mark.parametrize("place", [0, 2], ids=["the first model", "one that is turned"])
def test_a_picture_that_moves_as_photographs_do_lies_on_their_means(run, place):
    model = run.models["name"].iloc[place]
    arrays = run.store.read_arrays(star_axes_path(model))
    axes, unit = arrays["axes"], float(arrays["unit"][0])
    stored = run.table(star_path(model))
    means = stored[stored["step"] == MEAN].set_index("transform")
    names = list(middle_strengths(run, model))
    assert len(names) == 30
    offsets = unit * means.loc[names, ["x", "y"]].to_numpy() @ np.linalg.pinv(axes)  # within the plane
    table = own_star(run, stars(run), model, np.zeros_like(offsets), 2 * offsets)
    mine, average = (table[(table["model"] == whose) & (table["step"] == MEAN)] for whose in (YOURS, AVERAGE))
    mine, average = (one.set_index("transform").loc[names] for one in (mine, average))
    # At the square root of its length, an offset twice as long lies sqrt(2) times as far from the middle.
    np.testing.assert_allclose(mine[["x", "y"]], np.sqrt(2) * average[["x", "y"]], atol=1e-4)
    lengths = 2 * np.hypot(means.loc[names, "x"], means.loc[names, "y"]).to_numpy()
    np.testing.assert_allclose(mine["value"], lengths, rtol=1e-4)
    np.testing.assert_allclose(mine["ratio"], lengths / means.loc[names, "single"].to_numpy(), rtol=1e-4)
    assert mine["share"].iloc[0] == pytest.approx(1)
    assert (mine["group"] == average["group"]).all()


def test_strengths_in_the_middle_are_those_of_the_star(run):
    model = run.models["name"].iloc[0]
    stored = run.table(star_path(model))
    for name, strength in middle_strengths(run, model).items():
        row = stored[(stored["transform"] == name) & (stored["step"] == MEAN)].iloc[0]
        assert strength == row["strength"]
    assert middle_strengths(run, "no such model") == {}
