from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core import cli
from probing_core.api import export_images as exporting
from probing_core.compute import samples
from probing_core.corpora import open_corpus
from probing_core.images import read_image
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
    assert files(whole) == again
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
