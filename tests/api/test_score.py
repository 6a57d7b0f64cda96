"""`probing_core.score`: what an encoder knows, in one call."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
import pytest

import probing_core
from probing_core.api import score as scoring
from probing_core.errors import BadArray, BadConfig, ProbingError
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_T
from probing_core.models import CATALOG
from probing_core.models.providers import baselines
from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.options import Options
from probing_core.run.pipeline import run
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
    table = scored("baseline/handcrafted", few_scenes).table
    assert list(table.columns) == COLUMNS
    options = Options(
        corpus=f"folder:{few_scenes}", view=32, transforms=TRANSFORMS, models="baseline/handcrafted", device="cpu"
    )
    run(tmp_path / "run", options, "evaluate")
    whole = Run.open(tmp_path / "run").scores
    same = whole[(whole["task"] == "fine") & (whole["subset"] == "all") & (whole["measure"] == "balanced-accuracy")]
    assert table["value"].iloc[0] == same["value"].iloc[0]
    assert table["photographs"].iloc[0] == same["bases"].iloc[0]
    (group,) = table[table["task"] == "group"].to_dict("records")
    unseen = whole[(whole["subset"] == "unseen") & (whole["measure"] == "group-hit-rate")]
    assert group["value"] == pytest.approx(unseen["value"].mean()), "the mean of the rotations"


def test_a_function_is_scored_on_a_list_of_arrays_and_is_asked_once(pictures, capsys, tmp_path):
    asked = []

    def counting(images):
        asked.append(len(images))
        return colors(images)

    first = scored(counting, pictures).table
    assert first.loc[0, ["task", "subset"]].tolist() == ["fine", "all"]
    assert set(first["subset"]) >= {"group:tone", "group:blur"}
    (place,) = (tmp_path / "cache" / "scores").iterdir()
    assert str(place) in capsys.readouterr().err
    before = sum(asked)
    pd.testing.assert_frame_equal(scored(counting, pictures).table, first)
    assert sum(asked) - before < 20, "only what tells the function from another one"
    assert capsys.readouterr().err == ""


def test_a_function_that_answers_differently_twice_is_scored_and_not_kept(pictures, capsys, tmp_path):
    rng = np.random.default_rng(0)

    def noisy(images):
        return colors(images) + rng.normal(0, 0.01, (len(images), 1))

    assert len(scored(noisy, pictures).table)
    assert "not cached" in capsys.readouterr().err
    assert not list((tmp_path / "cache").rglob("run.toml"))
    with pytest.raises(BadConfig, match="deterministic"):
        scored(noisy, pictures, maps=True)


@pytest.mark.parametrize("changed", ["version of a library", "preprocessing"])
def test_score_computes_again_where_what_computes_has_changed(changed, pictures, tmp_path, monkeypatch):
    before = scored("baseline/pixels", pictures)
    assert scored("baseline/pixels", pictures).path == before.path
    if changed == "preprocessing":
        monkeypatch.setattr(baselines, "PIXELS_SIDE", 4)
    else:
        monkeypatch.setattr(cv2, "__version__", "0.0")
    assert scored("baseline/pixels", pictures).path != before.path


@pytest.mark.slow
def test_score_of_two_functions_of_one_name_in_two_threads(pictures):
    both_began = threading.Barrier(2)

    def spread(images):
        return np.stack([image.std((0, 1)) for image in images])

    def waiting(function):
        waited = []

        def wait_once(images):
            if not waited:
                waited.append(None)
                both_began.wait(60)
            return function(images)

        return wait_once

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(scored, waiting(function), pictures) for function in (colors, spread)]
        tables = [call.result().table for call in calls]
    for function, table in zip((colors, spread), tables, strict=True):
        pd.testing.assert_frame_equal(table, scored(function, pictures, cache=False).table)
    assert "my/wait_once" not in CATALOG


def test_another_function_of_the_same_name_has_scores_of_its_own(pictures):
    good = scored(colors, pictures).table["value"][0]
    blind = scored(lambda images: np.ones((len(images), 3)), pictures).table["value"][0]
    assert good > blind


def test_what_is_kept_holds_no_picture_and_nothing_is_kept_where_that_is_asked_for(pictures, tmp_path):
    scored(colors, pictures, cache=False)
    assert not (tmp_path / "cache").exists()
    scored(colors, pictures)
    (place,) = (tmp_path / "cache" / "scores").iterdir()
    kept = {path.suffix for path in place.rglob("*") if path.is_file() and path.parent.name != "log"}
    assert kept == {".toml", ".json", ".parquet", ".safetensors"}
    assert not list(place.rglob("*.png"))


@pytest.mark.slow
def test_the_oldest_results_go_where_there_are_too_many(pictures, tmp_path, monkeypatch):
    scored(colors, pictures)
    (first,) = (tmp_path / "cache" / "scores").iterdir()
    monkeypatch.setattr(scoring, "MAX_CACHE_BYTES", 1)
    scored(colors, pictures, seed=1)
    (second,) = (tmp_path / "cache" / "scores").iterdir()
    assert second != first


@pytest.mark.slow
def test_a_result_that_another_process_uses_stays(pictures, tmp_path, monkeypatch):
    scored(colors, pictures)
    (first,) = (tmp_path / "cache" / "scores").iterdir()
    monkeypatch.setattr(scoring, "MAX_CACHE_BYTES", 1)
    with scoring._used(first):
        scored(colors, pictures, seed=1)
        assert first.exists()
    scored(colors, pictures, seed=2)
    assert not first.exists()


@pytest.mark.slow
def test_a_result_that_another_process_removes_meanwhile_does_not_lose_this_one(pictures, tmp_path):
    place = tmp_path / "cache" / "scores"
    place.mkdir(parents=True)
    (place / "gone").symlink_to(tmp_path / "nowhere")  # listed, and not there when it is asked for
    assert len(scored(colors, pictures).table)


@pytest.mark.slow
def test_two_calls_at_once_that_keep_nothing_do_not_disturb_each_other(pictures):
    within = []

    def asking(images):
        if images[0].shape[0] == 32 and not within:  # a view, so the outer call has begun its files
            within.append(None)
            within[0] = scored(asking, pictures, cache=False).table
        return colors(images)

    outer = scored(asking, pictures, cache=False).table
    pd.testing.assert_frame_equal(outer, within[0])


def changing():
    """A function that gives rows of another length at its second call."""
    calls = iter(range(1000))
    return lambda images: np.ones((len(images), 3 if next(calls) == 0 else 4))


@pytest.mark.parametrize(
    ("encoder", "images", "message"),
    [
        (
            lambda images: np.ones((2, 3)),
            "list",
            r"returned an array of shape \(2, 3\) for 1 image. Return a numeric array with one row per image, \(1,",
        ),
        (lambda images: np.ones(3), "list", r"returned an array of shape \(3,\)"),
        (changing(), "list", "returned embeddings of dimension 4 instead of 3"),
        (lambda images: [["a", "b"]] * len(images), "list", "values of type <U1"),
        (lambda images: np.ones((len(images), 2), complex), "list", "values of type complex128"),
        (lambda images: np.full((len(images), 2), np.nan), "list", r"not finite numbers .* for 1 of 1 images"),
        (3, "list", "a model name, a function"),
        (lambda images: [[1, 2], [3]] * len(images), "list", "rows of different lengths for 1 image"),
        (lambda images: np.full((len(images), 2), 1e300), "list", "not finite numbers in float32 .* 1 of 1 images"),
        (np.ones((5, 3)), "list", r"one row for each of the 48 samples.* got shape \(5, 3\)"),
        (np.ones(48), "list", r"got float64 with shape \(48,\)"),
        (np.full((48, 2), np.inf), "list", "48 of 48 embeddings contain values that are not finite"),
        ("no/such", "list", "no/such"),
        (colors, [], "no images to score"),
        (colors, 5, "got int"),
        (colors, "nowhere-at-all", "'nowhere-at-all' is not a folder.*no corpus called"),
        (colors, "EMPTY", "no readable images"),
        (colors, [scene(0, 60) / 255], "255"),
    ],
)
def test_what_cannot_be_scored_is_told_in_one_sentence(encoder, images, message, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    places = {"list": pictures, "EMPTY": tmp_path / "empty"}
    with pytest.raises(ProbingError, match=message) as told:
        scored(encoder, places.get(images, images) if isinstance(images, str) else images)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"view": "64"}, "'view' must be an integer; got '64'"),
        ({"limit": 0}, "The limit must be at least 1 image; got 0"),
        ({"limit": 1.5}, "'limit' must be an integer; got 1.5"),
        ({"seed": -1}, "The seed must be at least 0"),
        ({"batch_size": -1}, "batch_size must be at least 1, got -1"),
    ],
)
def test_a_number_that_cannot_be_is_told_in_one_sentence(asked, message, pictures):
    with pytest.raises(BadConfig, match=message):
        scored(colors, pictures, **asked)


def test_the_arguments_of_a_call_must_fit_together(pictures):
    with pytest.raises(BadConfig, match="Samples are already transformed.* view"):
        probing_core.score(colors, probing_core.samples(pictures, view=32), view=64)
    with pytest.raises(BadConfig, match="preprocess is only supported for a torch.nn.Module"):
        scored(colors, pictures, preprocess=lambda picture: picture)
    with pytest.raises(BadConfig, match="Studies and maps require the cache"):
        scored(colors, pictures, cache=False, studies=True)


@pytest.mark.slow
def test_other_weights_in_the_same_file_are_scored_anew(pictures, tmp_path):
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    name = f"timm:resnet10t@weights={tmp_path / 'mine.pth'}"
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "mine.pth")
        values.append(scored(name, pictures).table["value"].tolist())
    assert values[0] != values[1]


def test_a_kept_result_that_was_damaged_is_made_again(pictures, tmp_path):
    first = scored(colors, pictures).table
    (place,) = (tmp_path / "cache" / "scores").iterdir()
    path = place / "tables" / "scores.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    pd.testing.assert_frame_equal(scored(colors, pictures).table, first)


def test_one_transformation_may_be_named_by_itself(pictures):
    assert set(scored(colors, pictures, transforms="brighten").table["subset"]) == {
        "all",
        "group:identity",
        "group:tone",
    }


def test_embeddings_made_elsewhere_have_the_scores_of_the_function_that_made_them(pictures):
    samples = probing_core.samples(pictures, transforms=TRANSFORMS, view=32)
    there = colors([samples[i] for i in range(len(samples))])
    table = probing_core.score(there.astype(np.float32), samples).table
    pd.testing.assert_frame_equal(table, scored(colors, pictures).table)
    pd.testing.assert_frame_equal(table, scored(there.astype(np.float32), pictures).table)


def test_the_table_shows_itself(pictures):
    shown = scored(colors, pictures, name="mine/<colors>")
    page = shown._repr_html_()
    assert "mine/&lt;colors&gt;" in page
    assert "<td>transformation, all</td>" in page
    value = shown.table["value"][0]
    assert f"{100 * value:.1f}%" in page
    assert f"{100 * value:.1f}%" in str(shown)
    assert repr(shown) == str(shown)


@pytest.mark.slow
def test_studies_and_maps_are_made_when_they_are_asked_for():
    many = [scene(i, 60) for i in range(32)]  # enough to be split
    plain = scored(colors, many, labels=["even", "odd"] * 16)
    assert "content" in set(plain.table["task"])
    assert not plain.run.scores["subset"].str.startswith("oracle:").any(), "they are for studies of the content"
    assert not plain.run.has_map("my/colors")
    assert not [name for name in plain.run.store.names() if name.startswith("series/") or "/studies/" in name]
    whole = scored(colors, many, labels=["even", "odd"] * 16, studies=True, maps=True)
    assert whole.run.scores["subset"].str.startswith("oracle:").any()
    assert whole.path == plain.path
    assert whole.run.has_map("my/colors")
    assert not whole.run.table(layout.table_path("thresholds")).empty
    assert not whole.run.table(layout.table_path("geometry")).empty
    pd.testing.assert_frame_equal(whole.table, plain.table)
    again = scored(colors, many, labels=["even", "odd"] * 16)
    pd.testing.assert_frame_equal(again.table, plain.table)


@pytest.mark.slow
def test_a_bar_shows_the_work_where_it_is_asked_for(pictures, capsys):
    scored(colors, pictures, progress=True)
    assert "Transforming and embedding" in capsys.readouterr().err
    scored(colors, pictures, seed=1)
    assert "Transforming" not in capsys.readouterr().err, "no terminal, no bar"


class Colors:
    """A network in PyTorch that is random unless it is in eval mode."""

    def __new__(cls):
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        parts = torch.nn.Conv2d(3, 6, 3), torch.nn.Dropout(0.5), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
        return torch.nn.Sequential(*parts)


def test_a_network_is_scored_in_eval_mode_and_put_back(pictures):
    torch = pytest.importorskip("torch")
    network = Colors().train()
    network[1].eval()
    asked = []

    def plain(images):
        batch = torch.from_numpy(np.stack([image.astype(np.float32) / 255 for image in images])).permute(0, 3, 1, 2)
        asked.append(network.training)
        with torch.no_grad():
            return network(batch).numpy()

    table = scored(network, pictures).table
    assert network.training
    assert not network[1].training, "each part as it was"
    network.eval()
    other = scored(plain, pictures).table
    assert table["value"].tolist() == pytest.approx(other["value"].tolist(), abs=0.05)
    assert not any(asked)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_is_given_what_its_preprocessing_makes(pictures):
    torch = pytest.importorskip("torch")
    seen = []

    def preprocess(picture):
        seen.append(picture.size)
        return torch.from_numpy(np.array(picture.resize((16, 16)))).permute(2, 0, 1).float() / 127.5 - 1

    table = scored(Colors(), pictures, preprocess=preprocess, batch_size=7).table
    assert len(table) == 5
    assert (32, 32) in seen, "views, beside the pictures that tell networks apart"
    calls = iter(range(1000))
    with pytest.raises(BadConfig, match=r"the same shape for all images; got \(3, 32, 9\), Image"):
        scored(Colors(), pictures, preprocess=lambda p: torch.zeros(3, 32, 9) if next(calls) < 40 else p)


def test_a_network_of_which_no_matrix_comes_is_told_in_one_sentence(pictures):
    torch = pytest.importorskip("torch")

    class Pair(torch.nn.Module):
        def forward(self, batch):
            return batch, batch

    with pytest.raises(BadConfig, match="returned tuple instead of a tensor"):
        scored(Pair(), pictures)
    with pytest.raises(BadArray, match=r"returned an array of shape \(1, 3, 32, 32\)"):
        scored(torch.nn.Identity(), pictures)


def test_scores_of_few_photographs_say_how_many_an_interval_requires(pictures):
    scores = scored("baseline/dhash", pictures[:3], transforms=("brighten",), cache=False)
    assert scores.table["low"].isna().all()
    (line,) = [line for line in str(scores).splitlines() if "interval" in line]
    assert f"at least {MIN_CLUSTERS_FOR_T} photographs" in line
