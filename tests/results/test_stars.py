from __future__ import annotations

import numpy as np
import pytest

from devtools.made_run import make_run
from probing_core.results import Run
from probing_core.results.stars import stars
from probing_core.runs.layout import star_path


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
