"""The compared encoders are compared fairly only if none of them lets hidden pixels through."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lab.evidence import zoo_encoder
from lab.evidence.zoo_stems import CANDIDATES, VisibleBatchNorm, estimate_statistics
from lab.pretraining import gate
from lab.pretraining.objectives import encode_visible, normalize, random_masks
from lab.pretraining.pictures import gather
from probing_core.run.progress import SILENT


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("training", [True, False])
def test_no_hidden_pixel_changes_a_visible_token(name: str, training: bool) -> None:
    encoder = CANDIDATES[name].init(0).train(training)
    images = torch.randn(2, 3, 128, 128, generator=generator())
    visible, masked = random_masks(2, 0.75, generator())
    hidden = torch.zeros(2, 64).scatter_(1, masked, 1.0).view(2, 1, 8, 8)
    pixels = hidden.repeat_interleave(16, 2).repeat_interleave(16, 3).bool()
    with torch.no_grad():
        before = encode_visible(encoder, images, visible)
        after = encode_visible(encoder, torch.where(pixels, 9.0, images), visible)
    assert before.shape == (2, 16, 192)
    assert torch.equal(before, after)


@pytest.mark.parametrize("name", CANDIDATES)
def test_all_visible_is_the_whole_picture(name: str) -> None:
    encoder = CANDIDATES[name].init(0).eval()
    images = torch.randn(2, 3, 128, 128, generator=generator())
    everything = torch.arange(64).expand(2, 64)
    with torch.no_grad():
        whole = encoder.forward_features(images)
        assert torch.allclose(encode_visible(encoder, images, everything), whole, atol=1e-3)


def test_statistics_of_visible_positions_alone() -> None:
    norm = VisibleBatchNorm(3).train()
    x = torch.randn(4, 3, 8, 8, generator=generator())
    mask = (torch.rand(4, 1, 8, 8, generator=generator()) < 0.25).float()
    shown = norm(x, mask).permute(1, 0, 2, 3)[:, mask[:, 0].bool()]
    assert shown.mean(1).abs().max() < 1e-5
    assert (shown.var(1, unbiased=False) - 1).abs().max() < 1e-3


def test_statistics_are_those_of_whole_pictures() -> None:
    encoder = CANDIDATES["conv-norm"].init(0)
    images = normalize(torch.rand(8, 3, 128, 128, generator=generator()))
    estimate_statistics(encoder, [images[:4], images[4:]])
    stem = encoder.patch_embed
    with torch.no_grad():
        first = stem.convs[0](images)
    assert not encoder.training
    assert torch.allclose(stem.norms[0].running_mean, first.mean((0, 2, 3)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "objective"), [("conv-norm", "mae"), ("patch-stem", "untrained")])
def test_a_trial_gives_a_row(name: str, objective: str, drawn, tmp_path: Path, monkeypatch) -> None:
    few = tuple(transform for transform in gate.bank() if transform.name in ("identity", "brighten"))
    monkeypatch.setattr(gate, "bank", lambda: few)
    monkeypatch.setattr(zoo_encoder, "BATCH", 8)
    row = zoo_encoder.trial(name, objective, gather(drawn, tmp_path, SILENT), drawn, flops=1.0, seed=0)
    assert row["seen"] == (0 if objective == "untrained" else 8)
    assert 0 <= row["fine_low"] <= row["fine"] <= row["fine_high"] <= 1
    assert 0.28 < row["gflop"] < 0.45
    assert zoo_encoder.table_row(row).count("|") == zoo_encoder.HEAD.splitlines()[0].count("|")
