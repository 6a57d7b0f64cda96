from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core import cli
from probing_core.api import export_images as exporting
from probing_core.compute import samples
from probing_core.corpora import open_corpus
from probing_core.images import read_image
from probing_core.models import load_embedder
from probing_core.run import sample_sets
from probing_core.run.recipe import Recipe
from probing_core.run.store import Store
from tests.compute.test_samples import make_all
from tests.run.test_embed import files

pytestmark = pytest.mark.slow

BEGIN = ("--view", "32", "--transforms", "brighten,contrast,gaussian-blur,motion-blur", "--models", "baseline/pixels")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, many_scenes):
    """A run that was begun by the export, and the export."""
    folder = tmp_path_factory.mktemp("export")
    assert export(folder, many_scenes) == 0
    return folder / "run", folder / "out"


def export(folder, corpus) -> int:
    return probing("export", "--run", folder / "run", "--out", folder / "out", "--corpus", f"folder:{corpus}", *BEGIN)


def probing(*arguments) -> int:
    return cli.main([str(a) for a in arguments])


def test_the_files_are_the_samples_of_the_run(exported):
    run, out = exported
    recipe = Recipe.from_toml(Store(run).read_toml("run.toml"))
    pictures, facts = make_all(recipe, open_corpus(recipe.corpus))
    table = pd.read_parquet(out / "samples.parquet")
    columns = ["sample", "image_id", "transform", "repetition", "draw", "label", "split", "strength"]
    pd.testing.assert_frame_equal(table[columns], facts[columns])
    for file, picture in zip(table["file"], pictures, strict=True):
        assert np.array_equal(read_image(out / file), picture)
    written = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert written == {*table["file"], "samples.csv", "samples.parquet", "export.toml"}


def test_embeddings_made_elsewhere_predict_what_the_same_model_predicts_here(exported, capsys, monkeypatch):
    run, out = exported
    listed = pd.read_csv(out / "samples.csv", dtype={"image_id": str})
    pixels = load_embedder("baseline/pixels")
    np.save(out / "samples.npy", pixels.embed([read_image(out / file) for file in listed["file"]]))
    assert probing("embed", "--run", run) == 0
    monkeypatch.setattr(sample_sets, "make_samples", lambda *a, **k: pytest.fail("a picture was made"))
    assert probing("embed", "--run", run, "--models", f"file:{out}/samples.npy") == 0
    assert probing("train", "--run", run) == 0
    store = Store(run)
    here, there = (
        store.read_table(f"models/{entry}/predictions/fine.parquet")
        for entry in sorted({name.split("/")[1] for name in store.names("models/")})
    )
    assert len(here) > 0
    pd.testing.assert_frame_equal(here, there)


def test_a_table_with_a_column_a_dimension_takes_none_of_the_lists_columns(exported):
    _, out = exported
    table = pd.read_parquet(out / "samples.parquet")
    matrix = pd.DataFrame(np.random.default_rng(0).normal(size=(len(table), 3)).astype(np.float32)).add_prefix("e")
    pd.concat([table, matrix], axis=1).to_parquet(out.parent / "mine.parquet")
    embedder = load_embedder(f"file:{out.parent}/mine.parquet")
    made = embedder.embed_samples([], table)[embedder.name]
    assert np.array_equal(made, matrix.to_numpy())


def test_an_export_that_is_killed_goes_on_and_ends_with_the_same_bytes(exported, tmp_path, many_scenes, monkeypatch):
    _, whole = exported
    monkeypatch.setattr(samples, "UNIT_SAMPLES", 30)
    encode, written = exporting.encode_png, []

    def die_later(picture):
        if len(written) == 100:
            raise KeyboardInterrupt
        written.append(picture)
        return encode(picture)

    monkeypatch.setattr(exporting, "encode_png", die_later)
    assert export(tmp_path, many_scenes) == 1
    assert not (tmp_path / "out" / "samples.parquet").exists()
    done = {p.name for p in (tmp_path / "out" / "units").iterdir()}
    assert done
    written.clear()
    monkeypatch.setattr(exporting, "encode_png", lambda picture: written.append(picture) or encode(picture))
    assert export(tmp_path, many_scenes) == 0
    assert len(written) == len(pd.read_parquet(whole / "samples.parquet")) - 30 * len(done)
    again = files(tmp_path / "out")
    assert {k: v for k, v in files(whole).items() if k != "samples.npy"} == again
    written.clear()
    assert export(tmp_path, many_scenes) == 0
    assert written == []
    lost = next((tmp_path / "out").rglob("*.png"))
    lost.unlink()
    assert export(tmp_path, many_scenes) == 0
    assert files(tmp_path / "out") == again


def test_a_folder_that_holds_something_else_is_left_alone(exported, tmp_path, capsys, many_scenes):
    run, out = exported
    (tmp_path / "mine.txt").write_text("mine")
    other = ("--run", tmp_path / "other", "--corpus", f"folder:{many_scenes}", "--seed", "1", *BEGIN)
    for arguments, told in (
        (("--run", run, "--out", tmp_path), "something else"),
        (("--run", run, "--out", tmp_path / "mine.txt"), "something else"),
        (("--run", run, "--out", run / "export"), "lies in the run"),
        ((*other, "--out", out), "another recipe"),
    ):
        assert probing("export", *arguments) == 2
        assert told in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["../../up", "a/b", "..", "=1+1", "007", "nan"])
def test_names_of_files_come_from_no_image_id(name):
    planned = pd.DataFrame(
        {
            **{"sample": [7], "image_id": [name], "base_id": [name], "label": [name], "split": ["test"]},
            **{"transform": ["mine/own"], "group": ["tone"], "repetition": [0], "draw": [0]},
        }
    )
    assert exporting._named(planned)["file"].tolist() == ["images/00000/00000007-mine_own.png"]
