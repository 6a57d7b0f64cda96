"""Models compared: places, differences, files of scores, and drops."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

import probing_core
from lab.devtools.run_edits import omit
from probing_core.api import score as scoring
from probing_core.cli import main
from probing_core.compute.task_names import CALIBRATED
from probing_core.errors import BadArray, BadConfig, BadRun, UnknownName
from probing_core.measures.paired_tests import holm
from probing_core.measures.statistics import mean
from probing_core.results.compare import COMPARED, SavedScores, _drops, place_among, recall_beside
from probing_core.results.ranking import RANKING_FACTS, AccuracySums, accuracy_of, of_subset, paired_p
from probing_core.results.run import Run
from probing_core.run import layout
from probing_core.run.run_files import RunFiles
from tests.conftest import copy_of_made_run, write_scenes

MODEL = "baseline/handcrafted"


def test_every_model_has_a_place_and_its_difference_to_the_one_that_is_asked_for(made_run):
    run = Run.open(made_run)
    board = place_among(run, MODEL).set_index("model")
    assert sorted(board["place"]) == [1, 2, 3, 4]
    assert board["value"].is_monotonic_decreasing
    mine = board.loc[MODEL]
    assert np.isnan(mine["difference"])
    assert board.loc["baseline/pixels", "difference_low"] > 0, "the invented models are far apart"
    assert board.loc["baseline/pixels", "p"] < 0.05
    for name, row in board.drop(MODEL).iterrows():
        assert row["difference"] == pytest.approx(mine["value"] - row["value"]), name
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert row["bases"] == run.images["base_id"].nunique()
    tables = {name: of_subset(run.predictions(name, "fine", RANKING_FACTS), "all") for name in board.index}
    others = [name for name in board.index if name != MODEL]
    sums = [accuracy_of(tables[name]) for name in (MODEL, *others)]
    p = paired_p(sums, [(0, i) for i in range(1, len(sums))])
    assert board.loc[others, "p"].tolist() == pytest.approx(p.tolist())


def test_other_seeds_have_no_place_but_the_one_that_is_asked_for(made_run, seeds_run):
    run = Run.open(seeds_run)
    board = place_among(run, MODEL).set_index("model")
    further = board[board["seed_of"] == "zoo/mae"]
    assert list(further.index) == ["zoo/mae@seed=1", "zoo/mae@seed=2"]
    assert further[["place", "p"]].isna().all(axis=None)
    assert further["difference_low"].notna().all(), "how far it is apart is told of them, too"
    ranked, without = board.drop(further.index), place_among(Run.open(made_run), MODEL).set_index("model")
    pd.testing.assert_frame_equal(ranked, without)

    of_seed = place_among(run, "zoo/mae@seed=1").set_index("model")
    assert of_seed.loc["zoo/mae@seed=1", ["seed_of", "place"]].tolist() == ["", 1]
    assert of_seed.loc["zoo/mae@seed=2", "seed_of"] == "zoo/mae"
    assert of_seed.loc["zoo/mae", "place"] > 1


def test_groups_are_compared_by_their_recall(made_run):
    run = Run.open(made_run)
    table = recall_beside(run, "zoo/mae", "baseline/pixels")
    assert table["difference"].is_monotonic_decreasing
    blur = run.scores.query("task == 'fine' and subset == 'group:blur' and measure == 'recall'")
    mine, other = blur.set_index("model")["value"][["zoo/mae", "baseline/pixels"]]
    assert table.set_index("group").loc["blur"].tolist() == pytest.approx([mine, other, mine - other])


def test_two_models_are_compared_by_the_scores_that_the_run_has_of_them(made_run):
    table = probing_core.compare("zoo/mae", "baseline/pixels", made_run).table
    assert tuple(table.columns) == COMPARED
    scores = Run.open(made_run).scores.set_index(["model", "task", "subset", "measure"])["value"]
    for row in table.to_dict("records"):
        if row["task"] != "group":
            of = row["task"], row["subset"], row["measure"]
            assert row["value"] == pytest.approx(scores["zoo/mae", *of]), of
            assert row["other_value"] == pytest.approx(scores["baseline/pixels", *of]), of
        assert row["difference"] == pytest.approx(row["value"] - row["other_value"])
        assert row["low"] <= row["difference"] <= row["high"]
    (unseen,) = table[table["task"] == "group"].to_dict("records")
    rotations = [scores["zoo/mae", f"group-{r}", "unseen", "group-hit-rate"] for r in range(3)]
    assert unseen["value"] == pytest.approx(np.mean(rotations))
    assert len(table[table["subset"].str.startswith("group:")]) == 11


def test_the_p_values_of_a_comparison_are_corrected_over_its_contrasts(made_run):
    run = Run.open(made_run)
    table = probing_core.compare("zoo/mae", "timm:tf_efficientnet_lite0", run).table
    fine = [accuracy_of(of_subset(run.predictions(m, "fine", RANKING_FACTS), "all")) for m in table.iloc[0, :2]]
    alone = float(paired_p(fine, [(0, 1)])[0])
    assert alone <= table["p"][0] <= alone * len(table)
    back = probing_core.compare("timm:tf_efficientnet_lite0", "zoo/mae", run).table
    assert back["difference"].tolist() == pytest.approx((-table["difference"]).tolist())


def test_two_runs_are_compared_model_by_model(made_run, tmp_path):
    same = probing_core.compare(made_run, str(made_run)).table
    assert set(same["model"]) == set(Run.open(made_run).models["name"])
    assert (same["model"] == same["other"]).all()
    assert (same["difference"] == 0).all()
    assert (same["p"] == 1).all()
    other = copy_of_made_run(tmp_path / "other", repetitions=2)
    table = probing_core.compare(Run.open(other), Run.open(made_run)).table
    assert (table.groupby("model")["difference"].max() != 0).all()


def test_runs_of_one_model_each_are_compared_whatever_it_is_called(made_run, tmp_path):
    runs = []
    for name in ("zoo/mae", "baseline/pixels"):
        root = tmp_path / layout.slug(name)
        shutil.copytree(made_run, root)
        omit(RunFiles(root), *(p for p in RunFiles(root).names(layout.MODELS) if f"/{layout.slug(name)}/" not in p))
        runs.append(root)
    table = probing_core.compare(*runs).table
    assert table[["model", "other"]].drop_duplicates().to_numpy().tolist() == [["zoo/mae", "baseline/pixels"]]
    assert table["difference"][0] == probing_core.compare("zoo/mae", "baseline/pixels", made_run).table["difference"][0]
    rest = shutil.copytree(made_run, tmp_path / "rest")
    omit(RunFiles(rest), *(path for path in RunFiles(rest).names(layout.MODELS) if "/zoo-mae/" in path))
    with pytest.raises(BadRun, match="do not share any models"):
        probing_core.compare(runs[0], rest)


TRANSFORMS = ("brighten", "contrast", "gaussian-blur", "motion-blur")
MY_ENCODER = "my/colors"


def colors(images):
    """Mean, deviation and sharpness of each channel."""
    rows = []
    for image in images:
        numbers = image.astype(np.float32) / 255
        rows.append(
            np.concatenate([numbers.mean((0, 1)), numbers.std((0, 1)), np.abs(np.diff(numbers, axis=0)).mean((0, 1))])
        )
    return np.stack(rows)


def blind(images):
    """Nothing of a picture but its mean."""
    return np.stack([np.repeat(image.mean() / 255, 9) for image in images])


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Function -> its scores over the same photographs."""
    folder = tmp_path_factory.mktemp("compare")
    corpus = f"folder:{write_scenes(folder / 'photos', 60, 64)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "user_cache_path", lambda *a, **k: folder / "cache")
        yield {
            one: probing_core.score(one, corpus, transforms=TRANSFORMS, view=32, progress=False)
            for one in (colors, blind)
        }


@pytest.fixture(scope="module")
def files(scored, tmp_path_factory):
    """The same in files."""
    folder = tmp_path_factory.mktemp("saved")
    paths = {one: str(folder / f"{one.__name__}.json") for one in scored}
    for one, path in paths.items():
        scored[one].save(path)
    return paths


def on_val(run: Run, task: str):
    """Predictions on val by scikit-learn's convention: truth, predicted, photograph, seen and transform."""
    rows = run.samples
    probe = run.linear_probe(MY_ENCODER, task)
    val = ((rows["split"] == "val") & ((rows["draw"] == 0) | (task != "fine"))).to_numpy()
    X = run.embeddings(MY_ENCODER)[val].astype(np.float64)
    logits = ((X - probe.mean) / probe.scale) @ probe.weight.T.astype(np.float64) + probe.bias
    return rows[val].assign(predicted=np.array(probe.classes)[logits.argmax(1)])


def test_a_file_holds_the_scores_of_val_as_sums_by_photograph(scored, files):
    run, saved = scored[colors].run, SavedScores.read(Path(files[colors]))
    by_name = saved.contrasts
    rows = on_val(run, "fine")
    fine = by_name["fine", "all", "balanced-accuracy"]
    assert list(fine.bases) == sorted(rows["base_id"].unique())
    assert fine.sums.value == pytest.approx(balanced_accuracy_score(rows["transform"], rows["predicted"]))
    for base, sums in zip(fine.bases, fine.sums.sums, strict=True):
        mine = rows[rows["base_id"] == base]
        assert sums[: len(sums) // 2].sum() == (mine["transform"] == mine["predicted"]).sum()
        assert sums[len(sums) // 2 :].sum() == len(mine)
    blur = rows[rows["group"] == "blur"]
    recall = (blur["transform"] == blur["predicted"]).groupby(blur["transform"]).mean().mean()
    assert by_name["fine", "group:blur", "recall"].sums.value == pytest.approx(recall)
    test = set(run.images.loc[run.images["split"] == "test", "base_id"])
    assert test
    assert not test & {base for score in saved.contrasts.values() for base in score.bases}
    unseen = by_name["group", "unseen", "group-hit-rate"]
    rates = []
    for rotation in (r for r in range(3) if f"group-{r}" in run.tasks):
        tested = on_val(run, f"group-{rotation}")
        hidden = [t.name for t in run.recipe.design.transforms if t.unseen_in == rotation]
        tested = tested[tested["transform"].isin(hidden)]
        rates.append((tested["group"] == tested["predicted"]).groupby(tested["group"]).mean().mean())
    assert len(unseen.probes) == len(rates) > 1
    assert unseen.sums.value == pytest.approx(np.mean(rates))


def test_what_was_written_is_read(files, tmp_path):
    saved = SavedScores.read(Path(files[colors]))
    saved.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == Path(files[colors]).read_bytes()
    good = json.loads(Path(files[colors]).read_text())
    short = good | {"scores": [good["scores"][0] | {"bases": ["a"]}]}
    for content in ("no json", "{}", '{"format": 99}', json.dumps(short), "[1]"):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(BadConfig, match="cannot be read"):
            SavedScores.read(tmp_path / "bad.json")


def test_a_gate_fails_where_a_model_certainly_lost(scored, files, capsys):
    assert main(["compare", files[colors], files[colors], "--max-drop", "0"]) == 0
    assert main(["compare", files[blind], files[colors], "--max-drop", "0"]) == 0, "a gain is no drop"
    assert main(["compare", files[colors], files[blind], "--max-drop", "1"]) == 0
    capsys.readouterr()
    assert main(["compare", files[colors], files[blind], "--max-drop", "0", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert any(row["worse"] for row in rows)
    assert all(row["worse"] == (row["low"] > 0) == (row["p"] <= 0.05 and row["difference"] > 0) for row in rows)
    assert main(["compare", files[colors], files[blind]]) == 0, "without --max-drop nothing is asked"
    runs = [str(scored[one].path) for one in (colors, blind)]
    capsys.readouterr()
    assert main(["compare", *runs, "--max-drop", "0", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == rows, "runs are compared on val as files are"


def sums(right: np.ndarray) -> AccuracySums:
    bases = np.array([f"p{i:03d}" for i in range(len(right))])
    return AccuracySums(bases, (mean(right.ravel(), np.repeat(bases, right.shape[1])),))


def made(share: float, seed: int = 0, photographs: int = 60):
    return np.random.default_rng(seed).random((photographs, 20)) < share


def test_a_drop_has_students_interval_over_photographs():
    before, now = made(0.8), made(0.6, 1)
    found = _drops([(sums(before), sums(now))], 0.0)
    gaps = before.mean(1) - now.mean(1)
    expected = stats.t.interval(0.95, len(gaps) - 1, gaps.mean(), stats.sem(gaps))
    assert [found["low"][0], found["high"][0]] == pytest.approx(expected, abs=3e-3)
    assert found["worse"][0]
    assert not _drops([(sums(before), sums(now))], 0.2)["worse"][0]
    same = _drops([(sums(before), sums(before))], 0.0)
    assert (same["p"][0], same["worse"][0]) == (1, False)


@pytest.mark.parametrize(("photographs", "half"), [(150, 0.025), (321, 0.012)])
def test_equal_models_have_an_interval_of_differences_that_could_have_been_missed(photographs, half):
    before = made(0.8, photographs=photographs)
    estimate = sums(before).minus(sums(before))
    assert (estimate.low, estimate.high) == pytest.approx((-half, half), abs=7e-4)
    drop = _drops([(sums(before), sums(before))], 0.0)
    assert (drop["low"][0], drop["high"][0]) == pytest.approx((-half, half), abs=7e-4)


def test_photographs_that_all_agree_are_as_certain_as_all_flips_of_their_signs():
    for photographs in (6, 8, 40):
        found = _drops([(sums(np.ones((photographs, 2))), sums(np.zeros((photographs, 2))))], 0.0)
        assert found["p"][0] == pytest.approx(2.0 ** (1 - photographs), rel=1e-6)
    many = _drops([(sums(np.ones((6, 2))), sums(np.zeros((6, 2))))] * 4, 0.0)
    assert not many["worse"].any(), "1/32 times four rows"


def test_rows_are_corrected_by_holm():
    shares = (0.6, 0.72, 0.75, 0.79, 0.8, 0.8)
    pairs = [(sums(made(0.8, i)), sums(made(share, 100 + i))) for i, share in enumerate(shares)]
    alone = [_drops([pair], 0.0) for pair in pairs]
    together = _drops(pairs, 0.0)
    assert together["p"].tolist() == pytest.approx(holm([one["p"][0] for one in alone]).tolist())
    assert together["worse"].tolist() == (together["p"] <= 0.05).tolist() == (together["low"] > 0).tolist()


def test_false_alarms_are_rare_over_all_scores():
    alarms = 0
    for seed in range(60):
        first, second = ([made(0.7, 1000 * seed + at + i, 40) for i in range(8)] for at in (0, 500))
        alarms += _drops([(sums(one), sums(two)) for one, two in zip(first, second, strict=True)], 0.0)["worse"].any()
    assert alarms <= 6  # 5 % of 60 are 3


def test_the_command_prints_what_the_function_returns(made_run, capsys):
    for pair, options in ((("zoo/mae", "baseline/pixels"), ["--run", str(made_run)]), ([str(made_run)] * 2, [])):
        found = probing_core.compare(*pair, *options[1:])
        assert main(["compare", *pair, *options, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert [row["difference"] for row in rows] == pytest.approx(found.table["difference"].tolist())
        assert main(["compare", *pair, *options]) == 0
        assert capsys.readouterr().out == f"{found}\n"
        assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "word"),
    [
        ("FILE", "RUN", {}, BadConfig, "two score files"),
        ("FILE", "none.json", {}, BadConfig, "does not exist"),
        ("FILE", "FILE", {"max_drop": 2.0}, BadConfig, "fraction"),
        ("zoo/mae", "zoo/can", {"max_drop": 0.0}, BadRun, "embeddings"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, options, error, word, made_run, files):
    places = {"RUN": made_run, "FILE": files[colors]}
    with pytest.raises(error, match=word):
        probing_core.compare(places.get(a, a), places.get(b, b), **options)


def test_scores_of_other_photographs_or_of_a_run_without_val_are_refused(files, tmp_path, monkeypatch):
    saved = json.loads(Path(files[colors]).read_text())
    (tmp_path / "other.json").write_text(json.dumps(saved | {"measured": "elsewhere"}))
    with pytest.raises(BadRun, match="different photographs"):
        probing_core.compare(files[colors], str(tmp_path / "other.json"))
    few = f"folder:{write_scenes(tmp_path / 'few', 8, 64)}"
    monkeypatch.setattr(scoring, "user_cache_path", lambda *a, **k: tmp_path / "cache")
    scores = probing_core.score(colors, few, transforms=TRANSFORMS, view=32, progress=False)
    with pytest.raises(BadRun, match="fewer than 30"):
        scores.save(tmp_path / "few.json")
    with pytest.raises(BadConfig, match=r"\.json"):
        scores.save(tmp_path / "few.txt")


def test_a_probe_of_a_run_gives_the_probabilities_that_the_run_has(scored):
    """The second computation: predictions that the run holds, and the formula in float64."""
    run = scored[colors].run
    probe, classes = run.probe(MY_ENCODER), np.array(run.classes("fine"))
    X, y, _ = run.data(MY_ENCODER, split="test")
    found = probe(X)
    assert found.shape == (len(X), len(classes))
    assert found.sum(1) == pytest.approx(1)
    known = run.predictions(MY_ENCODER, "fine")
    assert classes[found.argmax(1)].tolist() == known["predicted"].tolist()
    assert (y == known["truth"]).all()
    linear = run.linear_probe(MY_ENCODER, CALIBRATED)
    logits = (
        ((X - linear.mean) / linear.scale).astype(np.float64) @ linear.weight.T + linear.bias
    ) / linear.temperature
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found == pytest.approx(expected[:, [linear.classes.index(name) for name in classes]], abs=1e-5)
    assert probe(X.astype(np.float16)).dtype == np.float32
    with pytest.raises(BadArray, match="dimensions"):
        probe(X[:, :3])
    with pytest.raises(UnknownName):
        run.probe("zoo/none")
