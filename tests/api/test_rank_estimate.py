"""The time of the quick protocol, before anything is downloaded."""

from __future__ import annotations

import json

import pytest

from probing_core.api.rank_estimate import estimate_rank
from probing_core.cli import main
from probing_core.errors import ModelUnavailable
from probing_core.models import locate
from probing_core.results.run import Run


def test_estimate_rank_measures_a_network_that_is_not_here_with_random_weights(trained_run, tmp_path, monkeypatch):
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "caches"))
    name = "timm:test_vit.r160_in1k"
    assert locate(name)[1], "its weights are not here"
    found = estimate_rank(name, trained_run, device="cpu")
    assert found.download.megabytes > 0
    assert f"a download of about {found.download.megabytes:,.0f} MB and " in str(found)
    assert found.seconds > 0
    assert found.samples < Run.open(trained_run).sample_count
    assert not list(tmp_path.rglob("*")), "random weights are not stored"
    with pytest.raises(ModelUnavailable, match="config.json of hf:facebook/no-such-model"):
        estimate_rank("hf:facebook/no-such-model", trained_run, device="cpu")


def test_rank_estimate_is_printed_without_ranking(trained_run, capsys):
    assert main(["rank", "baseline/dhash", "--estimate", "--base", str(trained_run), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["download"]["megabytes"] == 0
    assert main(["rank", "baseline/dhash", "--estimate", "--full", "--base", str(trained_run)]) == 2


def test_rank_estimate_measures_a_function_in_a_file(trained_run, tmp_path, capsys):
    file = tmp_path / "encoder.py"
    file.write_text("import numpy as np\n\ndef embed(images):\n    return np.stack([i.mean((0, 1)) for i in images])\n")
    assert main(["rank", f"{file}:embed", "--estimate", "--base", str(trained_run), "--json"]) == 0
    (estimate,) = json.loads(capsys.readouterr().out)
    assert estimate["download"]["megabytes"] == 0
    assert estimate["disk_mb"] == pytest.approx(4 * 3 * estimate["samples"] / 1e6)
