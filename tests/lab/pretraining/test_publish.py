from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab.pretraining import gate as gates
from lab.pretraining import pretrain
from lab.pretraining.gate import FineGate, Gate, measure, measure_fine, seen_rows
from lab.pretraining.publish import publish, sparkline
from probing_core.errors import BadCorpus, BadRun
from probing_core.measures import Interval
from probing_core.models import zoo
from probing_core.models.zoo_network import DESCRIPTION, ViTEmbedder, init_vit

pytestmark = pytest.mark.slow

FEW = ("identity", "brighten", "contrast", "jpeg")


class Knowing(ViTEmbedder):
    """Embeds a drawn picture as what it is: its direction and its darkened channel."""

    def embed(self, images):
        return np.stack([np.r_[i.mean((0, 1)), 50 * (i.std(0).mean() > i.std(1).mean())] for i in images])


@pytest.fixture(autouse=True)
def _few_transforms(monkeypatch) -> None:
    """Four of the bank's: what they have in common with the others is enough for a gate."""
    few = tuple(transform for transform in gates.bank() if transform.name in FEW)
    monkeypatch.setattr(gates, "bank", lambda: few)


def test_published_files_are_of_the_training_and_the_same_again(drawn, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zoo, "data_dir", lambda: tmp_path / "data")
    eight = type(drawn)(per_split=8)
    trainings = [tmp_path / "clip", tmp_path / "can"]
    with pytest.raises(BadRun, match="no finished training"):
        publish(trainings, eight)
    for training in trainings:
        pretrain(training.name, eight, training, steps=2)
    gates = publish(trainings, eight)
    assert list(gates) == ["clip", "can"]
    cards = {}
    for name, gate in gates.items():
        weights, card = (tmp_path / f"data/zoo/next/{name}.{end}" for end in ("safetensors", "md"))
        assert weights.read_bytes() == (tmp_path / name / "encoder.safetensors").read_bytes()
        cards[name] = card.read_text()
        assert hashlib.sha256(weights.read_bytes()).hexdigest() in cards[name]
        assert f"{gate.linear:.1f}%" in cards[name]
        assert f"{100 * gate.fine.trained.value:.1f}% ({100 * gate.fine.trained.low:.1f}" in cards[name]
        assert cards[name].count("**passed**") == gate.content_passed + gate.fine.passed
        assert DESCRIPTION in cards[name]
        assert "16 images seen, 2 times each" in cards[name]
    assert "noise term ended at" in cards["can"]
    assert "noise term" not in cards["clip"]
    assert publish(trainings[:1], eight) == {"clip": gates["clip"]}
    assert (tmp_path / "data/zoo/next/clip.md").read_text() == cards["clip"]
    assert not (tmp_path / "data/zoo/clip.safetensors").exists()
    pretrain("clip", eight, tmp_path / "again", seed=1, steps=2)
    assert list(publish([tmp_path / "again"], eight)) == ["clip@seed=1"]
    assert (tmp_path / "data/zoo/seeds/clip-seed-1.md").read_text().startswith("# zoo/clip@seed=1\n")
    assert (tmp_path / "data/zoo/seeds/clip-seed-1.safetensors").read_bytes() != (
        tmp_path / "data/zoo/next/clip.safetensors"
    ).read_bytes()
    for name in ("training.json", "log.jsonl"):
        whole = (trainings[0] / name).read_bytes()
        (trainings[0] / name).write_bytes(whole[:-9])
        with pytest.raises(BadRun, match=f"{name}' cannot be read as a file of a training"):
            publish(trainings[:1], eight)
        (trainings[0] / name).write_bytes(whole)


def test_gate_tells_knowledge_from_none(drawn) -> None:
    untrained = ViTEmbedder("x", init_vit(0))
    fine = FineGate(Interval(0.5, 0.4, 0.6, "t", 16), (0.3, 0.3, 0.3), 4)
    knowing = measure(Knowing("x", init_vit(0)), untrained, drawn, 10, fine)
    assert (knowing.train, knowing.val, knowing.classes) == (16, 16, 4)
    assert knowing.linear == 100
    assert knowing.margin == 100 - knowing.linear_untrained
    same = measure(untrained, untrained, drawn, 10, fine)
    assert same.margin == 0
    assert not same.passed


def test_gate_needs_both_halves() -> None:
    above, below = (FineGate(Interval(0.5, low, 0.6, "t", 16), (0.3, 0.4, 0.5), 4) for low in (0.41, 0.39))
    assert above.reference == pytest.approx(0.4)
    assert above.passed
    assert not below.passed
    halves = {"linear_untrained": 20.0, "knn": 0.0, "knn_untrained": 0.0, "needed": 10.0}
    sizes = {"train": 1, "val": 1, "classes": 4}
    gates = [Gate(linear=linear, fine=fine, **halves, **sizes) for linear in (30.0, 29.0) for fine in (above, below)]
    assert [gate.passed for gate in gates] == [True, False, False, False]


class Brightness(ViTEmbedder):
    """Embeds a picture as its mean and spread: enough to identify what brightens and what flattens."""

    def embed(self, images):
        return np.array([[image.mean(), image.std()] for image in images], np.float32)


class Blind(ViTEmbedder):
    """Embeds every picture alike, but for its number."""

    def embed(self, images):
        return np.stack([np.random.default_rng(number).normal(size=2) for number in range(len(images))])


def test_fine_gate_separates_seeing_from_blind(drawn) -> None:
    seeing, blind = Brightness("seeing", init_vit(0)), Blind("blind", init_vit(0))
    gates = measure_fine({"seeing": seeing, "blind": blind}, [blind, blind, blind], drawn)
    assert gates["seeing"].classes == len(FEW)
    assert gates["seeing"].trained.clusters == 16
    assert len(gates["seeing"].untrained) == 3
    assert gates["seeing"].passed
    assert not gates["blind"].passed


def test_fine_gate_never_reads_the_test_split(drawn, monkeypatch) -> None:
    other = type(drawn)()
    other.rows = pd.concat([other.rows, other.rows.assign(image_id="test-" + other.rows["image_id"], split="test")])
    read: list[str] = []
    monkeypatch.setattr(other, "load", lambda image_id: read.append(image_id) or drawn.load(image_id))
    blind = Blind("blind", init_vit(0))
    measure_fine({"blind": blind}, [blind], other)
    assert set(read) == set(drawn.rows.loc[drawn.rows["split"] != "pretrain", "image_id"])
    other.rows = other.rows[other.rows["split"] != "val"]
    with pytest.raises(BadCorpus, match="none of 'val'"):
        measure_fine({"blind": blind}, [blind], other)


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
