"""A run over the protocol of others is a run like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from probing_core.cli import main
from probing_core.compute.names import STRENGTH
from probing_core.results import Run
from probing_core.run.layout import series_table
from probing_core.run.stages import run
from probing_core.run.store import Store
from probing_core.transforms import PRESETS, expand, resolve
from tests.preset_runs import run_preset
from tests.run.test_embed import files

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_pixels")]


@pytest.mark.parametrize("preset", ["traces", "imagenet-c"])
def test_a_run_over_a_preset_embeds_trains_scores_verifies_and_resumes(preset, tmp_path, capsys):
    out, options = run_preset(tmp_path, preset, 6)
    names = [t.name for t in PRESETS.get(preset).transforms]
    found = Run.open(out)
    assert found.recipe.transforms == ("identity", *names)
    assert set(found.classes("fine")) == {"identity", *names}
    recalls = found.scores.query("task == 'fine' and measure == 'recall' and probe == 'linear'")
    assert {f"transform:{name}" for name in names} <= set(recalls["subset"])
    # No member of a group is held out: there is no task of groups.
    assert set(found.tasks) == {"fine"}

    whole = files(out)
    capsys.readouterr()
    assert main(["verify", "--run", str(out)]) == 0
    for name in ("models/baseline-pixels/embeddings/unit-00000.safetensors", "tables/scores.parquet"):
        (out / name).unlink()
    run(out, options)
    again = files(out)
    assert {name for name in whole if not name.startswith("log/")} <= set(again)
    assert all(again[name] == held for name, held in whole.items() if not name.startswith("log/"))
    assert main(["verify", "--run", str(out)]) == 0


def test_severities_are_strengths_that_are_drawn_and_studied(tmp_path):
    out, _ = run_preset(tmp_path, "imagenet-c/extra", 32)
    store, names = Store(out), expand(["preset:imagenet-c/extra"])
    samples = store.read_table("samples.parquet")
    drawn = samples[samples["transform"] != "identity"].groupby("transform", observed=True)["strength"]
    assert all(set(strengths) == {1, 2, 3, 4, 5} for _, strengths in drawn)
    series = store.read_table(series_table(STRENGTH)).groupby("transform", observed=True)
    assert all(sorted(rows["strength"].unique()) == [1, 2, 3, 4, 5] for _, rows in series)
    thresholds = store.read_table("tables/thresholds.parquet")
    assert set(thresholds["transform"]) == set(names)
    assert {resolve(name).unit for name in names} == {"of 5"}
    assert thresholds["threshold"].between(1, 5).all()
    assert Path(out, "tables/geometry.parquet").is_file()
