"""What a map of all points sends and takes, and the bundled renderer, without a browser."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from dashboard.components.point_map import found_in, routes
from dashboard.data.point_cloud import point_cloud

from dashboard.components import point_map
from dashboard.data import cache
from probing_core.results import Run
from probing_core.results.pictures import PicturesMissing
from tests.dashboard.serving import answer

ROOT = Path(__file__).parents[3]
COMPONENTS = Path(point_map.__file__).parent
SQUARE = [[-1, -1], [1, -1], [1, 1], [-1, 1]]


@pytest.fixture(scope="module")
def cloud(made_run):
    run = Run.open(made_run)
    return point_cloud(run, "zoo/mae")


def sent(**what):
    return {"panel": 0, "coloring": "group", "hidden": [], **what}


def test_a_lasso_and_a_click_select_samples(cloud):
    assert np.array_equal(found_in([cloud], sent(corners=SQUARE)), np.sort(cloud.samples))
    x, y = cloud.points[7].tolist()
    (found,) = found_in([cloud], sent(at=[x, y], within=0.01))
    assert np.allclose(cloud.points[cloud.samples == found], [x, y], atol=0.01)
    assert not len(found_in([cloud], sent(corners=[[2, 2], [3, 2], [3, 3]])))
    assert found_in([cloud], sent(at=[3, 3], within=0.01)) is None


@pytest.mark.parametrize(
    "what",
    [
        None,
        {},
        sent(),
        sent(panel=4, corners=SQUARE),
        sent(corners=[[0, 0], [1, 1]]),
        sent(corners=[[0, 0], [1, float("nan")], [2, 2]]),
        sent(corners="lasso"),
        sent(corners=[[0, 0]] * 5000),
        sent(at=[0], within=1),
        sent(at=[0, 0], within="x"),
        sent(hidden=["x"], corners=SQUARE),
    ],
)
def test_what_makes_no_sense_changes_no_selection(cloud, what):
    assert found_in([cloud], what) is None


def test_positions_and_colors_are_typed_arrays(cloud):
    *_, array = routes()
    name = cloud.address.split("/")[1]
    positions = answer(array, {"name": name, "which": "positions"})
    assert np.array_equal(np.frombuffer(positions.body, "<f4").reshape(-1, 2), cloud.points)
    codes = answer(array, {"name": name, "which": "correct"})
    assert np.array_equal(np.frombuffer(codes.body, np.uint8), cloud.codes("correct"))
    assert positions.headers["cache-control"].startswith("private")
    assert answer(array, {"name": "guessed", "which": "positions"}).status_code == 404
    assert answer(array, {"name": name, "which": "samples"}).status_code == 404


def test_the_server_knows_what_is_under_the_pointer(cloud):
    _, nearest, *_ = routes()
    name = cloud.address.split("/")[1]
    x, y = cloud.points[7].tolist()

    def asked(**query):
        return answer(nearest, {"name": name}, query={"coloring": "group", "hidden": "", **query})

    found = json.loads(asked(x=x, y=y, within=0.001).body)
    assert found["sample"] == cloud.samples[7]
    assert found["text"] == cloud.text(7)
    assert json.loads(asked(x=9, y=9, within=0.001).body) is None
    assert asked(x="nan", y=0, within=1).status_code == 400
    assert asked(x=0, y=0).status_code == 400
    assert asked(x=0, y=0, within=1, coloring="secret").status_code == 400


def test_the_picture_of_a_point_is_that_of_its_sample(cloud, monkeypatch):
    _, _, picture, _ = routes()
    name = cloud.address.split("/")[1]
    found = answer(picture, {"name": name, "position": 7})
    assert found.body == cache.picture(cloud.run, int(cloud.samples[7]))
    assert found.headers["cache-control"].startswith("private")
    assert answer(picture, {"name": name, "position": len(cloud)}).status_code == 404
    assert answer(picture, {"name": "guessed", "position": 7}).status_code == 404

    def missing(run, sample):
        raise PicturesMissing("The corpus is not on this computer.")

    monkeypatch.setattr(cache, "picture", missing)
    assert answer(picture, {"name": name, "position": 7}).status_code == 404


def test_the_renderer_is_served_packed_and_for_good():
    renderer, *_ = routes()
    bundle = (COMPONENTS / "regl-scatterplot.min.js").read_bytes()
    packed = answer(renderer, headers={"accept-encoding": "gzip, br"})
    assert gzip.decompress(packed.body) == answer(renderer).body == bundle
    assert "immutable" in packed.headers["cache-control"]


def test_the_bundle_is_of_the_versions_that_its_recipe_names_and_ships_their_licenses():
    wanted = json.loads((ROOT / "lab/scripts/renderer/package.json").read_text())["dependencies"]
    header = (COMPONENTS / "regl-scatterplot.min.js").read_text("utf-8").partition("*/")[0]
    notice = (COMPONENTS / "regl-scatterplot.LICENSE.txt").read_text("utf-8")
    for name, version in wanted.items():
        title = re.search(rf"{re.escape(name)} {re.escape(version)} \((MIT|ISC|BSD-2-Clause)\)", header)
        assert title, name
        assert title[0] in notice
    assert notice.count("Copyright") >= len(wanted)


def test_the_renderer_fetches_nothing_from_elsewhere():
    scripts = [path.read_text("utf-8") for path in COMPONENTS.glob("*.js") if path.stem.startswith(("point", "small"))]
    assert len(scripts) == 6
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", "".join(scripts))
