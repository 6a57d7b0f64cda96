from __future__ import annotations

import re

from lab.scripts.package import DATA_MB
from lab.scripts.reference import completed_on, is_second_training, ship
from probing_core.paths import data_dir
from probing_core.run.directory import RunDirectory
from probing_core.run.run_files import RunFiles
from tests.conftest import copy_of_trained_run
from tests.plans import pending


def test_second_trainings_are_encoders_of_the_zoo_with_another_seed():
    assert is_second_training("zoo/mae@seed=1")
    assert not is_second_training("zoo/mae")
    assert not is_second_training("baseline/random-vit@seed=1")
    assert not is_second_training("timm:resnet50.a1_in1k@layer=4")


def test_what_ships_is_whole_without_embeddings_and_predictions_that_scores_alone_are_made_of(many_scenes, tmp_path):
    run, out = RunDirectory(copy_of_trained_run(tmp_path / "run", many_scenes)), tmp_path / "reference"
    ship(run, out)
    shipped = RunFiles(out)
    gone = set(run.names()) - set(shipped.names())
    assert {name.split("/")[-1] for name in gone if "/predictions/" in name} == {
        "content-oracle.parquet",
        "fine-mlp-knn.parquet",
    }
    assert all(
        "embeddings" in name or "series/" in name or "crops" in name for name in gone if "/predictions/" not in name
    )
    assert any(name.endswith("/predictions/fine.parquet") for name in shipped.names())
    assert shipped.was_published
    assert pending(out, "evaluate") == []


def test_what_ships_leaves_room_in_the_package():
    shipped = [path for name in ("reference", "zoo") for path in (data_dir() / name).rglob("*") if path.is_file()]
    shipped = [path for path in shipped if "seeds" not in path.parts and "next" not in path.parts]
    assert sum(path.stat().st_size for path in shipped) <= DATA_MB * 10**6


def test_what_ships_says_when_it_was_computed():
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", completed_on(data_dir() / "reference"))
