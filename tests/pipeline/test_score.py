"""`probing_core.score`: what an encoder knows, in one call."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import probing_core
from probing_core.errors import BadConfig, BadImage, ProbingError
from probing_core.pipeline import Options, run
from probing_core.pipeline import score as scoring
from probing_core.results import Run
from tests.conftest import scene

TRANSFORMS = ("brighten", "contrast", "gaussian-blur", "motion-blur")
COLUMNS = ["task", "subset", "measure", "value", "low", "high", "photographs", "chance", "note"]


def colors(images):
    """Mean and deviation of each channel."""
    return np.stack([np.concatenate([image.mean((0, 1)), image.std((0, 1))]) for image in images])


@pytest.fixture(autouse=True)
def _cache_here(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "user_cache_path", lambda *a, **k: tmp_path / "cache")


@pytest.fixture(scope="module")
def pictures():
    return [scene(i, 60) for i in range(8)]


def scored(encoder, images, **asked):
    return probing_core.score(encoder, images, **{"transforms": TRANSFORMS, "view": 32, "device": "cpu"} | asked)


def test_the_scores_are_those_of_a_run_over_the_same_pictures(few_scenes, tmp_path):
    table = scored("baseline/handcrafted", few_scenes)
    assert list(table.columns) == COLUMNS
    options = Options(
        corpus=f"folder:{few_scenes}", view=32, transforms=TRANSFORMS, models="baseline/handcrafted", device="cpu"
    )
    run(tmp_path / "run", options, ("embed", "train", "evaluate"))
    whole = Run.open(tmp_path / "run").scores
    same = whole[(whole["task"] == "fine") & (whole["subset"] == "all") & (whole["measure"] == "balanced-accuracy")]
    assert table["value"].iloc[0] == same["value"].iloc[0]
    assert table["photographs"].iloc[0] == same["bases"].iloc[0]


def test_a_function_is_scored_on_a_list_of_arrays_and_is_asked_once(pictures, capsys, tmp_path):
    asked = []

    def counting(images):
        asked.append(len(images))
        return colors(images)

    first = scored(counting, pictures)
    assert first.loc[0, ["task", "subset"]].tolist() == ["fine", "all"]
    assert set(first["subset"]) >= {"group:tone", "group:blur"}
    (place,) = (tmp_path / "cache" / "scores").iterdir()
    assert str(place) in capsys.readouterr().err
    before = sum(asked)
    pd.testing.assert_frame_equal(scored(counting, pictures), first)
    assert sum(asked) - before < 20, "only what tells the function from another one"
    assert capsys.readouterr().err == ""


def test_another_function_of_the_same_name_has_scores_of_its_own(pictures):
    good = scored(colors, pictures)["value"][0]
    blind = scored(lambda images: np.ones((len(images), 3)), pictures)["value"][0]
    assert good > blind


def test_what_is_kept_holds_no_picture_and_nothing_is_kept_where_that_is_asked_for(pictures, tmp_path):
    scored(colors, pictures, cache=False)
    assert list((tmp_path / "cache" / "scores").iterdir()) == []
    scored(colors, pictures)
    (place,) = (tmp_path / "cache" / "scores").iterdir()
    kept = {path.suffix for path in place.rglob("*") if path.is_file() and path.parent.name != "log"}
    assert kept == {".toml", ".json", ".parquet", ".safetensors"}
    assert not list(place.rglob("*.png"))


def test_the_oldest_results_go_where_there_are_too_many(pictures, tmp_path, monkeypatch):
    scored(colors, pictures)
    (first,) = (tmp_path / "cache" / "scores").iterdir()
    monkeypatch.setattr(scoring, "MAX_CACHE_BYTES", 1)
    scored(colors, pictures, seed=1)
    (second,) = (tmp_path / "cache" / "scores").iterdir()
    assert second != first


@pytest.mark.parametrize(
    ("encoder", "images", "message"),
    [
        (lambda images: np.ones((2, 3)), "list", r"one row an image, \(1, D\).* gave the shape \(2, 3\)"),
        (lambda images: np.ones(3), "list", r"gave the shape \(3,\)"),
        (3, "list", "name of a model, or a function"),
        ("no/such", "list", "no/such"),
        (colors, [], "no picture to score"),
        (colors, "nowhere-at-all", "no corpus called 'nowhere-at-all'"),
        (lambda images: np.full((len(images), 2), np.nan), "list", "not finite"),
    ],
)
def test_what_cannot_be_scored_is_told_in_one_sentence(encoder, images, message, pictures):
    with pytest.raises(ProbingError, match=message):
        scored(encoder, pictures if images == "list" else images)


def test_pictures_as_numbers_below_one_are_told_how_to_be_made_whole(pictures):
    with pytest.raises(BadImage, match="255"):
        scored(colors, [picture / 255.0 for picture in pictures])
    with pytest.raises(BadConfig, match="Labels belong to a list"):
        scored(colors, "photos", labels=["a"])


def test_other_weights_in_the_same_file_are_scored_anew(pictures, tmp_path):
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    name = f"timm:resnet10t@weights={tmp_path / 'mine.pth'}"
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "mine.pth")
        values.append(scored(name, pictures)["value"].tolist())
    assert values[0] != values[1]


def test_a_kept_result_that_was_damaged_is_made_again(pictures, tmp_path):
    first = scored(colors, pictures)
    (place,) = (tmp_path / "cache" / "scores").iterdir()
    path = place / "tables" / "scores.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    pd.testing.assert_frame_equal(scored(colors, pictures), first)


def test_one_transformation_may_be_named_by_itself(pictures):
    assert set(scored(colors, pictures, transforms="brighten")["subset"]) == {"all", "group:identity", "group:tone"}
