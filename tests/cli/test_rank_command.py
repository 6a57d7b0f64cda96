"""`probing rank`: the place of a model among those of a run that is only read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from lab.devtools.run_edits import omit
from probing_core.api.rank import Ranking
from probing_core.cli import main
from probing_core.results import Run
from probing_core.run.directory import RunDirectory
from probing_core.run.pipeline import run
from probing_core.run.recipe import read_recipe, write_recipe
from tests.conftest import few_transforms


@pytest.fixture(scope="module")
def base(tmp_path_factory, few_scenes):
    """A small run of two models, without its embeddings, as one that ships."""
    root = tmp_path_factory.mktemp("ranked") / "base"
    run(root, few_transforms(few_scenes, "baseline/pixels", "baseline/handcrafted"))
    store = RunDirectory(root)
    omit(store, *(name for name in store.names() if "/embeddings/" in name))
    return root


@pytest.mark.slow
def test_a_base_whose_photographs_do_not_ship_is_refused_with_what_to_do(base, tmp_path, capsys):
    shipped = RunDirectory(shutil.copytree(base, tmp_path / "shipped"))
    write_recipe(shipped, replace(read_recipe(shipped), corpus="photographs of elsewhere"))
    assert main(["rank", "baseline/dhash", "--full", "--base", str(shipped.root)]) == 2
    told = capsys.readouterr().err
    assert "(photographs of elsewhere) are not included" in told


def test_a_model_gets_its_place_and_the_base_stays_as_it_is(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("probing_core.paths.runs_dir", lambda: tmp_path / "runs")
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    command = ["rank", "baseline/dhash", "--full", "--base", str(base), "--device", "cpu"]
    assert main(command) == 0
    printed, told = capsys.readouterr()
    assert "48 samples from" in told
    assert "baseline/dhash ranks #3 of 3" in printed
    assert "In total, 1 of your models was ranked on these test photographs" in printed
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == before
    out = tmp_path / "runs" / "rank-baseline-dhash"
    assert list(Run.open(out).models["name"]) == ["baseline/pixels", "baseline/handcrafted", "baseline/dhash"]
    made = sorted(RunDirectory(out).names())

    assert main([*command, "--json"]) == 0
    printed, told = capsys.readouterr()
    assert "samples from" not in told, "nothing is left to be made"
    (found,) = json.loads(printed)
    assert found["place"] == 3
    assert [row["model"] for row in found["others"]] == list(
        dict.fromkeys(row["model"] for row in sorted(found["others"], key=lambda row: row["place"]))
    )
    assert sorted(RunDirectory(out).names()) == made, "a second call computes nothing"

    assert (
        main(
            [
                "rank",
                "baseline/phash",
                "--full",
                "--base",
                str(base),
                "--out",
                str(tmp_path / "else"),
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    assert "In total, 2 of your models were ranked on these test photographs" in capsys.readouterr().out


def test_rank_refuses_a_base_without_another_model(few_run, tmp_path, capsys):
    base, _ = few_run
    assert main(["rank", "baseline/handcrafted", "--full", "--base", str(base)]) == 2
    assert "has no other models with scores" in capsys.readouterr().err


def test_ranking_escapes_names_in_notebooks(tmp_path):
    names = ["<b>mine</b>", "<i>theirs</i>"]
    numbers = dict.fromkeys(("value", "low", "high", "difference", "difference_low", "difference_high", "p"), 0.5)
    board = pd.DataFrame({"model": names, "seed_of": "", "place": [1, 2]}).assign(**numbers)
    groups = pd.DataFrame({"group": ["<u>blur</u>"], "difference": [0.1]})
    page = Ranking(names[0], board, names[1], groups, 1, tmp_path)._repr_html_()
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert not any(tag in page for tag in ("<b>", "<i>", "<u>"))


@pytest.mark.slow
def test_checkpoints_that_a_pattern_names_are_ranked_each(base, tmp_path, monkeypatch, capsys):
    import timm
    from safetensors.torch import save_file

    monkeypatch.setattr("probing_core.paths.runs_dir", lambda: tmp_path / "runs")
    for step in (2, 10):
        save_file(
            timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / f"step-{step}.safetensors"
        )
    pattern = f"timm:test_resnet@weights={tmp_path}/step-*.safetensors"
    assert (
        main(
            [
                "rank",
                pattern,
                "--full",
                "--base",
                str(base),
                "--out",
                str(tmp_path / "out"),
                "--device",
                "cpu",
                "--json",
            ]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in found] == [pattern.replace("*", step) for step in ("2", "10")]
    assert [row["models"] for row in found] == [4, 4]


def test_what_cannot_be_ranked_is_refused_in_one_sentence(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("probing_core.paths.runs_dir", lambda: tmp_path / "runs")
    for arguments, sentence in (
        (["no/such", "--base", base], "no/such"),
        (["baseline/dhash", "--base", tmp_path / "nowhere"], "is not a run directory: it has no run.toml"),
    ):
        assert main(["rank", "--full", *map(str, arguments)]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("*/run.toml"))
