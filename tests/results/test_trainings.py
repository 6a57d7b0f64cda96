"""Checkpoints among the models of a run are read as a series over steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from probing_core.errors import BadConfig, BadRun, UnknownName
from probing_core.results import Run, plot_training, training_scores, trainings
from probing_core.run import layout
from tests.conftest import few_transforms


def test_models_that_differ_in_the_number_of_their_file_are_a_training():
    found = trainings(
        [
            "zoo/mae",
            "zoo/mae@weights=kept/step-000480.safetensors",
            "zoo/mae@weights=kept/step-000060.safetensors",
            "zoo/mae@weights=other/step-000060.safetensors",
            "zoo/mae@layer=2@weights=kept/step-000480.safetensors",
            "timm:x@weights=a/epoch=3-step=900.ckpt",
            "timm:x@weights=a/epoch=12-step=3600.ckpt",
            "hf:y@weights=out/checkpoint-500/model.safetensors",
            "hf:y@weights=out/checkpoint-1000/model.safetensors",
            "timm:z@weights=run1/last.pt",
            "timm:z@weights=best.pt",
        ]
    )
    assert found == {
        "zoo/mae@weights=kept/step-*.safetensors": [
            (60, "zoo/mae@weights=kept/step-000060.safetensors"),
            (480, "zoo/mae@weights=kept/step-000480.safetensors"),
        ],
        "timm:x@weights=a/epoch=*-step=*.ckpt": [
            (900, "timm:x@weights=a/epoch=3-step=900.ckpt"),
            (3600, "timm:x@weights=a/epoch=12-step=3600.ckpt"),
        ],
        "hf:y@weights=out/checkpoint-*/model.safetensors": [
            (500, "hf:y@weights=out/checkpoint-500/model.safetensors"),
            (1000, "hf:y@weights=out/checkpoint-1000/model.safetensors"),
        ],
    }


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory, many_scenes):
    """A run of three checkpoints of a tiny network, named by a pattern."""
    import timm
    import torch
    from safetensors.torch import save_file

    from probing_core.run.stages import run

    folder = tmp_path_factory.mktemp("checkpoints")
    with torch.random.fork_rng():
        for step in (2, 10, 100):
            torch.manual_seed(step)
            network = timm.create_model("test_resnet", pretrained=False)
            save_file(network.state_dict(), folder / f"step-{step}.safetensors")
    options = few_transforms(many_scenes, f"timm:test_resnet@weights={folder}/step-*.safetensors", "baseline/pixels")
    run(folder / "run", options, ("embed", "train", "evaluate"))
    return folder, options


def test_a_pattern_names_every_checkpoint_and_the_run_draws_them_over_training(checkpointed):
    folder, _ = checkpointed
    run = Run.open(folder / "run")
    (name,) = trainings(run.models["name"])
    assert name == f"timm:test_resnet@weights={folder}/step-*.safetensors"
    rows = training_scores(run, name)
    assert list(dict.fromkeys(rows["step"])) == [2, 10, 100]
    assert set(rows["name"]) == {"fine", "content", "group:identity", "group:tone", "group:blur", "retrieval"}
    last = f"timm:test_resnet@weights={folder}/step-100.safetensors"
    assert last in set(rows["model"])
    scores = run.scores.query("model == @last and task == 'fine' and measure == 'recall' and subset == 'group:blur'")
    mine = rows.query("step == 100 and name == 'group:blur'")
    assert float(mine["value"].iloc[0]) == float(scores["value"].iloc[0])

    found = run.table(layout.table_path("retrieval")).query("model == @last and transform == 'all' and k == 1")
    largest = found[~found["extrapolated"]].sort_values("gallery").iloc[-1]
    first = rows.query("step == 100 and name == 'retrieval'").squeeze()
    assert (first["value"], first["photographs"]) == (largest["value"], largest["bases"])

    figure = plot_training(run)
    (fine,) = [trace for trace in figure.data if trace.name == "transformation"]
    assert list(fine.x) == [2, 10, 100]
    np.testing.assert_allclose(fine.y, rows.query("name == 'fine'")["value"] * 100)


def test_what_has_no_series_says_so_in_a_sentence(checkpointed, split_run, tmp_path):
    folder, options = checkpointed
    with pytest.raises(UnknownName, match="it has: timm:test_resnet@weights="):
        training_scores(Run.open(folder / "run"), "zoo/mae")
    other = Run.open(split_run[0])
    with pytest.raises(UnknownName, match="none, for which a model is needed with several files"):
        training_scores(other, "zoo/mae")
    with pytest.raises(BadRun, match="has 0 trainings"):
        plot_training(other)
    from probing_core.run.stages import run

    with pytest.raises(BadConfig, match=r"No file matches '.*step-x\*.pt'"):
        run(tmp_path / "run", replace(options, models=(f"timm:test_resnet@weights={folder}/step-x*.pt",)))
    assert not (tmp_path / "run" / "run.toml").exists()


def test_the_table_of_a_training_that_has_no_scores_yet_is_empty(checkpointed, monkeypatch):
    run = Run.open(checkpointed[0] / "run")
    monkeypatch.setitem(run.__dict__, "scores", pd.DataFrame())
    (name,) = trainings(run.models["name"])
    assert training_scores(run, name).empty
    with pytest.raises(BadRun, match="no scores yet"):
        plot_training(run)
