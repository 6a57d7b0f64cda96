from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from probing_core.embedders.zoo import specs
from probing_core.embedders.zoo.vit import ViTEmbedder, init_vit
from probing_core.errors import BadCorpus, BadRun
from probing_core.pretraining import pretrain
from probing_core.pretraining.card import sparkline
from probing_core.pretraining.gate import measure, seen_rows
from probing_core.pretraining.publish import publish

pytestmark = pytest.mark.slow


class Knowing(ViTEmbedder):
    """Embeds a drawn picture as what it is: its direction and its darkened channel."""

    def embed(self, images):
        return np.stack([np.r_[i.mean((0, 1)), 50 * (i.std(0).mean() > i.std(1).mean())] for i in images])


def test_published_files_are_of_the_training_and_the_same_again(drawn, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(specs, "data_dir", lambda: tmp_path / "data")
    training = tmp_path / "clip"
    with pytest.raises(BadRun, match="no finished training"):
        publish(training, drawn)
    pretrain("clip", drawn, training, steps=2)
    gate = publish(training, drawn)
    weights, card = tmp_path / "data/zoo/clip.safetensors", tmp_path / "data/zoo/clip.md"
    assert weights.read_bytes() == (training / "encoder.safetensors").read_bytes()
    text = card.read_text()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in text
    assert f"{gate.linear:.1f} %" in text
    assert ("**passed**" in text) == gate.passed
    assert "32 pictures seen, 2 times each" in text
    assert publish(training, drawn) == gate
    assert card.read_text() == text


def test_gate_tells_knowledge_from_none(drawn) -> None:
    untrained = ViTEmbedder("x", init_vit(0))
    knowing = measure(Knowing("x", init_vit(0)), untrained, drawn, needed=10)
    assert (knowing.train, knowing.val, knowing.classes) == (16, 16, 4)
    assert knowing.linear == 100
    assert knowing.margin == 100 - knowing.linear_untrained
    same = measure(untrained, untrained, drawn, needed=10)
    assert same.margin == 0
    assert not same.passed


def test_gate_counts_seen_labels_alone(drawn) -> None:
    other = type(drawn)()
    pretrain_rows = other.rows["split"] == "pretrain"
    other.rows = other.rows[~(pretrain_rows & (other.rows["label"] == "kind_2"))]
    assert set(seen_rows(other, "train")["label"]) == {"kind_0", "kind_1", "kind_3"}
    other.rows = other.rows[other.rows["split"] != "val"]
    with pytest.raises(BadCorpus, match="none of split 'val'"):
        seen_rows(other, "val")


def test_sparkline_falls_with_the_loss() -> None:
    assert sparkline(np.linspace(8, 1, 8)) == "█▇▆▅▄▃▂▁"
    assert sparkline(np.ones(3)) == "▁▁▁"
