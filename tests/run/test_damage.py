"""Damaged files, with or without a changed size, are found by the next run and recomputed with identical bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.devtools.run_edits import omit
from probing_core.cli import main
from probing_core.errors import BadRun, ModelUnavailable, RunBusy
from probing_core.run.directory import RunDirectory
from probing_core.run.options import Options
from probing_core.run.pipeline import run
from probing_core.run.run_files import RunFiles
from tests.conftest import few_transforms
from tests.plans import pending
from tests.run.test_embed import files

pytestmark = pytest.mark.slow

MODEL = "models/baseline-handcrafted"
COMPUTING = "evaluate"
AS_MADE = Options(device="cpu", precision="float32")
EVERY_KIND = (
    "images.parquet",
    "samples.parquet",
    f"{MODEL}/model.toml",
    f"{MODEL}/embeddings/unit-00000.safetensors",
    f"{MODEL}/probes/deployment.safetensors",
    f"{MODEL}/predictions/fine.parquet",
    f"{MODEL}/fits/fine.parquet",
    "tables/scores.parquet",
)


@pytest.fixture
def copy(few_run, tmp_path) -> Path:
    return Path(shutil.copytree(few_run[0], tmp_path / "run"))


def content(out: Path) -> dict[str, bytes]:
    return {name: held for name, held in files(out).items() if not name.startswith("log/")}


def again(out: Path) -> None:
    run(out, AS_MADE, COMPUTING)


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, which keeps its size."""
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def test_damaged_files_of_every_kind_are_recomputed(copy, capsys):
    before = content(copy)
    for name in EVERY_KIND:
        flip(copy / name)
    assert main(["verify", "--run", str(copy)]) == 2
    assert [line.split("'")[1] for line in capsys.readouterr().err.splitlines()] == sorted(EVERY_KIND)
    again(copy)
    assert content(copy) == before
    capsys.readouterr()
    assert main(["verify", "--run", str(copy)]) == 0
    assert "all files are valid" in capsys.readouterr().out


def test_damaged_scores_are_recomputed_without_the_corpus(copy, monkeypatch):
    before = content(copy)
    flip(copy / EVERY_KIND[-1])
    monkeypatch.setattr("probing_core.run.setup.open_same_corpus", lambda recipe: refuse())
    again(copy)
    assert content(copy) == before


def test_missing_dependencies_of_a_damaged_file_are_recomputed(copy):
    before = content(copy)
    (copy / f"{MODEL}/scores.parquet").unlink()
    flip(copy / "tables/scores.parquet")
    again(copy)
    assert content(copy) == before


@pytest.mark.parametrize("which", [0, 1, -1])
def test_missing_description_of_a_layer_is_written_by_the_next_run(few_scenes, tmp_path, which):
    out = tmp_path / "run"
    run(out, few_transforms(few_scenes, "baseline/random-vit@layer=all"), "embed")
    before = content(out)
    described = sorted(name for name in before if name.endswith("model.toml"))
    (out / described[which]).unlink()
    run(out, AS_MADE, "embed")
    assert content(out) == before


@pytest.mark.parametrize("layers", [("2", "all"), ("all", "2")])
def test_layer_requested_twice_is_missing_from_neither_request(few_scenes, tmp_path, layers):
    out = tmp_path / "run"
    run(out, few_transforms(few_scenes, *(f"baseline/random-vit@layer={layer}" for layer in layers)), "embed")
    before = content(out)
    assert pending(out, "embed") == []
    run(out, AS_MADE, "embed")
    assert content(out) == before


@pytest.mark.parametrize("model", ["baseline/pixels", "baseline/random-vit@layer=all"])
def test_model_with_an_unrepairable_description_stays_in_the_run(few_scenes, tmp_path, monkeypatch, model):
    out = tmp_path / "run"
    run(out, few_transforms(few_scenes, "baseline/dhash", model), "embed")
    before = content(out)
    described = sorted(name for name in before if name.endswith("model.toml") and "dhash" not in name)
    flip(out / described[0])
    held = content(out)

    def fail(request, **given):
        raise ModelUnavailable("the weights are away")

    with monkeypatch.context() as patch:
        patch.setattr("probing_core.run.embedding_worker.load_embedder", fail)
        with pytest.raises(ModelUnavailable, match="the weights are away"):
            run(out, AS_MADE, "embed")
    assert content(out) == held, "the recipe, too"
    run(out, AS_MADE, "embed")
    assert content(out) == before


def test_unknown_files_stay_and_are_named(copy, capsys):
    (copy / "notes.txt").write_text("mine")
    flip(copy / EVERY_KIND[-1])
    again(copy)
    assert main(["verify", "--run", str(copy)]) == 2
    assert "'notes.txt' has no record" in capsys.readouterr().err
    assert (copy / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", [EVERY_KIND[0], EVERY_KIND[3]])
def test_unrepairable_file_stays_and_is_reported_again(copy, monkeypatch, name):
    flip(copy / name)
    held = content(copy)
    with monkeypatch.context() as patch:
        patch.setattr("probing_core.run.setup.open_same_corpus", lambda recipe: refuse())
        with pytest.raises(BadRun, match="the corpus is gone"):
            again(copy)
    assert content(copy) == held
    assert main(["verify", "--run", str(copy)]) == 2
    again(copy)
    assert main(["verify", "--run", str(copy)]) == 0


def test_files_whose_inputs_were_not_published_stay_and_are_reported(copy, tmp_path, capsys):
    omit(RunFiles(copy), EVERY_KIND[3])
    out = tmp_path / "mine"
    run(out, Options(base=copy, models=("baseline/dhash",), device="cpu"), "embed")
    lost = f"base/{EVERY_KIND[5]}"
    flip(out / lost)
    before = (out / lost).read_bytes()
    with pytest.raises(BadRun, match=f"'{EVERY_KIND[5]}' does not match .* cannot be recomputed"):
        run(out, AS_MADE)
    assert main(["verify", "--run", str(out)]) == 2
    assert EVERY_KIND[5] in capsys.readouterr().err
    assert (out / lost).read_bytes() == before


def test_repair_survives_a_kill_and_excludes_other_writers(copy, monkeypatch):
    before = content(copy)
    flip(copy / EVERY_KIND[5])
    held = content(copy)

    def kill(*given, **named):
        with pytest.raises(RunBusy), RunDirectory(copy).locked():
            pass
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("probing_core.run.train.train_linear", kill)
        with pytest.raises(KeyboardInterrupt):
            again(copy)
    assert content(copy) == held
    again(copy)
    assert content(copy) == before


@pytest.mark.parametrize("spoil", [flip, lambda path: path.write_bytes(path.read_bytes()[:-5])])
def test_damaged_recipe_is_reported(copy, capsys, spoil):
    spoil(copy / "run.toml")
    assert main(["verify", "--run", str(copy)]) == 2
    assert "'run.toml' does not match its recorded checksum" in capsys.readouterr().err
    with pytest.raises(BadRun, match="cannot be recomputed"):
        again(copy)


def refuse():
    raise BadRun("the corpus is gone")
