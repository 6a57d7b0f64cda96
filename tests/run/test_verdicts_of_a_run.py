"""Runs with corpora to calibrate on: a detector, scored views, and verdicts from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.scripts.reference import ship
from probing_core.answers.answer import edit_score, log_of
from probing_core.answers.crops import cut
from probing_core.answers.reference_sets import p_values
from probing_core.api.predictor import Predictor
from probing_core.cli import main
from probing_core.compute.task_names import DETECTOR
from probing_core.corpora import open_corpus
from probing_core.detector.learning import choose_photographs
from probing_core.errors import BadCorpus, BadRun, ProbingError
from probing_core.images import encode_png
from probing_core.run import calibrate, units
from probing_core.run.calibrate import DETECTOR_STEP, views_step
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import (
    DETECTOR_FILE,
    UNITS,
    scored_views_path,
)
from probing_core.run.options import Options
from probing_core.run.pipeline import run
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import RunFiles
from probing_core.run.units import write_unit
from probing_core.transforms import resolve
from tests.conftest import scene, write_scenes
from tests.plans import pending
from tests.run.test_damage import flip

pytestmark = pytest.mark.slow

MODEL = "baseline/dhash"
TRANSFORMS = ("gamma", "gaussian-blur", "jpeg")
OPTIONS = {"view": 32, "models": (MODEL,), "transforms": TRANSFORMS}


@pytest.fixture(scope="module")
def clean_scenes(tmp_path_factory) -> Path:
    """Return two corpora: 110 images of about the size of the view, and 4 of these photographs at a larger size."""
    folder = tmp_path_factory.mktemp("clean")
    for name, count, side in (("small", 110, 46), ("large", 4, 120)):
        images = [encode_png(scene(1000 + i, side)) for i in range(count)]
        ids = [f"{i:03d}" for i in range(count)]
        table = pa.table({"image": images, "label": [""] * count, "image_id": ids})
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def options(many_scenes, clean_scenes) -> Options:
    clean = tuple(f"parquet:{clean_scenes / name}.parquet" for name in ("small", "large"))
    return Options(corpus=f"folder:{many_scenes}", calibrate_on=clean, **OPTIONS)


@pytest.fixture(scope="module")
def made(tmp_path_factory, options) -> RunFiles:
    out = tmp_path_factory.mktemp("verdicts") / "run"
    run(out, options, "train")
    return RunFiles(out)


def test_photographs_have_one_role_and_count_once(made):
    rows = made.read_table("verdicts/photographs.parquet")
    assert rows.groupby("base_id")["role"].nunique().max() == 1
    assert rows.groupby(["corpus", "role"]).size().to_dict() == {
        (0, "choose"): 8,
        (0, "learn"): 24,
        (0, "report"): 8,
        (1, "calibrate"): 110,
        (2, "calibrate"): 4,
    }
    # The large ones are the same photographs: they calibrate large pictures alone.
    assert rows.groupby("corpus")["first"].all().to_dict() == {0: True, 1: True, 2: False}


def test_photographs_beyond_the_limit_train_and_calibrate(many_scenes):
    corpus = open_corpus(f"folder:{many_scenes}")
    recipe = Recipe(corpus=corpus.name, fingerprint="", transforms=("identity", "gamma"), models=(MODEL,), view=32)
    from probing_core.corpora import assign_splits

    images = corpus.rows.assign(split=assign_splits(corpus.rows["base_id"].tolist(), 0), used=True)
    everything = {split: set(part["base_id"]) for split, part in images.groupby("split")}
    images = images[np.arange(len(images)) % 4 != 0]
    used = set(images["base_id"])
    assert len(used) >= 30
    rows = choose_photographs(recipe.design, images, corpus, [])
    roles = {role: set(part["base_id"]) for role, part in rows.groupby("role")}
    assert roles == {
        "learn": everything["train"],
        "choose": everything["val"],
        "calibrate": everything["test"] - used,
        "report": everything["test"] & used,
    }
    assert all(roles.values())


def test_corpora_of_training_photographs_calibrate_nothing(many_scenes, few_scenes):
    few, other = (open_corpus(f"folder:{folder}") for folder in (few_scenes, many_scenes))
    images = few.rows.assign(split="train", used=True)
    recipe = Recipe(corpus=few.name, fingerprint="", transforms=("identity", "gamma"), models=(MODEL,), view=32)
    assert set(choose_photographs(recipe.design, images, few, [other])["role"]) == {"calibrate"}
    other.rows = other.rows.assign(split="train")
    with pytest.raises(BadCorpus, match="'calibrate' or 'test'.* none were found"):
        choose_photographs(recipe.design, images, few, [other])


def test_every_model_has_scores_of_the_same_views(made):
    tables = {model: made.read_table(scored_views_path(model)) for model in (DETECTOR, MODEL)}
    facts = [table.drop(columns=["score", "whole_score"]) for table in tables.values()]
    assert facts[0].equals(facts[1])
    table = tables[MODEL]
    counts = table.groupby(["role", "size", "maker"]).size().to_dict()
    # Five of the six ways in which a photograph is altered, at its own size.
    assert [counts.pop(("report", "large", maker)) for maker in ("bank", "alternative")] == pytest.approx(
        [20, 20], abs=4
    )
    assert table[(table["size"] == "large") & (table["transform"] != "identity")].groupby("base_id").size().eq(5).all()
    assert counts == {
        ("calibrate", "view", "as it is"): 110,
        ("calibrate", "view", "turned gray"): 110,
        ("calibrate", "large", "as it is"): 4,
        ("report", "large", "as it is"): 8,  # 64 pixels are more than one and a half views
        ("report", "view", "as it is"): 8,
        ("report", "view", "turned gray"): 8,
        ("report", "view", "bank"): 24,
        ("report", "view", "alternative"): 24,
    }
    assert not made.names("verdicts/units/")


def test_large_images_are_scored_by_full_image_and_tiles(made):
    table = made.read_table(scored_views_path(DETECTOR))
    same = (table["score"] == table["whole_score"]).groupby(table["size"]).mean()
    assert same["view"] == 1
    assert same["large"] < 0.2


def test_scored_views_equal_live_scores(made, clean_scenes):
    predictor = Predictor(made.root)
    picture = scene(1003, 46)
    for model in (DETECTOR, MODEL):
        prediction = predictor.ask(model, [cut(picture, 32)])[0].prediction
        table = made.read_table(scored_views_path(model))
        table = table[(table["maker"] == "as it is") & (table["corpus"] == 1)]
        row = table[table["image_id"] == "003"]
        expected = edit_score(log_of(prediction.probabilities)[None], prediction.groups)[0]
        assert row["score"].iloc[0] == pytest.approx(expected, abs=1e-3)


def test_detector_is_the_first_row_of_an_answer(made):
    predictor = Predictor(made.root)
    clean, dark = scene(5000, 40), resolve("gamma").apply_unchecked(scene(5000, 40), 3.5, np.random.default_rng(0))
    rows = predictor.predict([clean, dark], names=["clean", "dark"])
    assert [row["model"] for row in rows] == [DETECTOR, MODEL] * 2
    assert ["verdict" in row for row in rows] == [True, False] * 2
    first = {row["image"]: row["verdict"] for row in rows if row["model"] == DETECTOR}
    assert first["clean"]["n"] == first["dark"]["n"] == 110
    assert first["dark"]["p"] <= first["clean"]["p"]
    photographs = predictor.reference_sets.sets["view"].clean
    prediction = predictor.ask(DETECTOR, [cut(dark, 32)])[0].prediction
    score = edit_score(log_of(prediction.probabilities)[None], prediction.groups)
    assert first["dark"]["p"] == pytest.approx(p_values(score, photographs)[0])
    for row in rows:
        assert len(row["classes"]) == 3
        assert sum(one["probability"] for one in row["classes"]) == pytest.approx(1)
    assert [row["model"] for row in predictor.predict([clean], models=[MODEL])] == [MODEL]
    assert [row["model"] for row in predictor.predict([clean], models=[DETECTOR])] == [DETECTOR]


def test_the_command_line_prints_verdicts(made, tmp_path, capsys):
    file = tmp_path / "picture.png"
    file.write_bytes(encode_png(scene(5001, 40)))
    assert main(["predict", str(file), "--run", str(made.root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == [DETECTOR, MODEL]
    assert set(rows[1]) == {"image", "model", "crops", "edited", "answer", "unavailable", "no_color", "classes"}
    assert set(rows[0]) == set(rows[1]) | {"verdict"}
    assert set(rows[0]["verdict"]) == {"p", "n", "kind", "no_color", "detection_rate"}
    assert set(rows[0]["classes"][0]) == {"class", "group", "probability"}


def test_completed_units_are_kept_after_a_kill(made, options, tmp_path, monkeypatch):
    before = {name: made.checksum(name) for name in made.names()}
    run(made.root, options, "train")
    assert {name: RunFiles(made.root).checksum(name) for name in before} == before

    copy = RunDirectory(shutil.copytree(made.root, tmp_path / "run"))
    steps = [DETECTOR_STEP, views_step(DETECTOR), views_step(MODEL)]
    for step in steps:
        copy.remove(step)
    assert pending(copy.root, "train") == steps

    class Killed(Exception):
        pass

    written = []

    def dying(*arguments):
        written.append(write_unit(*arguments))
        if len(written) % 3 == 0:
            raise Killed
        return written[-1]

    monkeypatch.setattr(units, "write_unit", dying)
    for _ in range(40):
        try:
            run(copy.root, options, "train")
            break
        except Killed:
            pass
    assert len(written) == len({name for name, _ in written}) > 6  # nothing was computed twice
    after = RunFiles(copy.root)
    assert {name: after.checksum(name) for name in before} == before


def test_only_a_damaged_unit_of_the_detector_is_measured_again(made, options, tmp_path, monkeypatch):
    out = shutil.copytree(made.root, tmp_path / "run")
    for step in (DETECTOR_STEP, views_step(DETECTOR)):
        RunDirectory(out).remove(step)

    def kill(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(calibrate, "learn_detector", kill)
        with pytest.raises(KeyboardInterrupt):
            run(out, options, "train")
    measured = sorted(path.relative_to(out).as_posix() for path in Path(out, UNITS).rglob("unit-*"))
    assert len(measured) == 2
    assert main(["verify", "--run", str(out)]) == 0, "units are neither foreign nor wrong"
    flip(out / measured[0])
    written = []

    def noted(*arguments):
        written.append(write_unit(*arguments))
        return written[-1]

    monkeypatch.setattr(units, "write_unit", noted)
    run(out, options, "train")
    assert [name for name, _ in written if name in measured] == measured[:1]
    assert RunFiles(out).checksum(DETECTOR_FILE) == made.checksum(DETECTOR_FILE)
    assert not list(Path(out, UNITS).glob("*"))


def test_changed_detector_keeps_scores_of_models(made, options, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(made.root, tmp_path / "run"))
    monkeypatch.setattr(calibrate, "DETECTOR_CODE_VERSION", 9)
    monkeypatch.setattr("probing_core.detector.detector.DETECTOR_UNITS", 32)
    steps = [DETECTOR_STEP, views_step(DETECTOR)]
    assert pending(copy, "train") == steps
    finished, plain = [], RunDirectory.finish

    def watched(self, step, inputs, written):
        plain(self, step, inputs, written)
        finished.append((step, bool(Predictor(copy).reference_sets.sets)))

    monkeypatch.setattr(RunDirectory, "finish", watched)
    run(copy, options, "train")
    assert finished == [(steps[0], False), (steps[1], True)], "no scores of a different detector are used"
    after = RunFiles(copy)
    assert pending(copy, "train") == []
    assert after.checksum(DETECTOR_FILE) != made.checksum(DETECTOR_FILE)
    assert after.checksum(scored_views_path(DETECTOR)) != made.checksum(scored_views_path(DETECTOR))


def test_changed_calibration_corpus_is_refused(made, options, many_scenes, tmp_path):
    other = write_scenes(tmp_path / "other", 3, 40)
    with pytest.raises(BadRun, match="calibrate_on"):
        run(made.root, Options(calibrate_on=(f"folder:{other}",)), "embed")
    out = tmp_path / "run"
    run(out, Options(corpus=f"folder:{many_scenes}", calibrate_on=(f"folder:{other}",), **OPTIONS), "embed")
    next(other.rglob("*.png")).unlink()
    with pytest.raises(BadRun, match="has changed since"):
        run(out, Options(), "train")


def test_incomplete_files_do_not_ship(made, tmp_path):
    with pytest.raises(ProbingError, match=r"(?s)has no .*/scores.*`probing run --out .*/run`"):
        ship(RunDirectory(made.root), tmp_path / "reference")
