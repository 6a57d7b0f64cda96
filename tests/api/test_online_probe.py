"""Measuring between the steps of a training: right numbers, and no trace of it in the training."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn

import probing_core
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadArray, BadConfig, BadCorpus
from probing_core.measures.notation import decimal, in_percent
from probing_core.models import Preprocessing
from probing_core.probes.linear import fit_discriminant
from tests.conftest import scene

FEW = ("brighten", "contrast", "gaussian-blur", "motion-blur")


def statistics(images):
    """Mean, deviation and the mean step between neighbors of each channel."""
    return np.stack(
        [
            np.concatenate([i.mean((0, 1)), i.std((0, 1)), np.abs(np.diff(i.astype(int), axis=0)).mean((0, 1))])
            for i in images
        ]
    )


@pytest.fixture(scope="module")
def pictures():
    return [scene(i, 64) for i in range(40)], ["even" if i % 2 == 0 else "odd" for i in range(40)]


@pytest.fixture(scope="module")
def made(pictures):
    """The views, made once; tests take copies with a history of their own."""
    images, labels = pictures
    return probing_core.OnlineProbe(images, labels=labels, view=32, transforms=FEW, learn=20, held_out=6)


@pytest.fixture
def probe(made):
    fresh = object.__new__(probing_core.OnlineProbe)
    fresh.__dict__.update(made.__dict__)
    fresh.history = made.history[:0]
    return fresh


class Net(nn.Module):
    """A small network with what a careless measurement would change: dropout, batch statistics, a part in eval."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2)
        )
        self.frozen = nn.BatchNorm1d(32).eval()

    def forward(self, batch):
        return self.frozen(self.features(batch).flatten(1))


class Recording(Corpus):
    """Another corpus, with the names of the pictures that were read."""

    def __init__(self, corpus: Corpus) -> None:
        self.name, self.description, self.rows = corpus.name, corpus.description, corpus.rows
        self._corpus, self.read = corpus, []

    @property
    def fingerprint(self):
        return self._corpus.fingerprint

    def load(self, image_id):
        self.read.append(image_id)
        return self._corpus.load(image_id)


def test_the_numbers_are_those_of_a_probe_on_photographs_held_out(probe):
    measured = probe.measure(statistics, 10)
    table, X = probe.views.table, statistics(probe.views.images)
    mine = table["appearance"] & (table["draw"] == 0)
    learned, held = (mine & (table["split"] == split) for split in ("train", "val"))
    assert not set(table[learned]["base_id"]) & set(table[held]["base_id"])
    assert table[held]["base_id"].nunique() == 6
    classes, codes = np.unique(table["transform"], return_inverse=True)
    probe = fit_discriminant(X[learned], codes[learned], classes=classes)
    predicted = classes[probe.logits(X[held]).argmax(1)]
    scores = measured.scores.set_index("name")
    assert scores.loc["fine", "value"] == pytest.approx(balanced_accuracy_score(table[held]["transform"], predicted))
    assert 0.4 < scores.loc["fine", "value"] <= 1
    assert scores.loc["fine", "low"] <= scores.loc["fine", "value"] <= scores.loc["fine", "high"]
    blurred = table[held]["group"] == "blur"
    right = predicted == table[held]["transform"]
    assert scores.loc["group:blur", "value"] == pytest.approx(right[blurred].mean())
    assert scores.loc["clean-shift", "value"] < 0.1
    assert {"group:identity", "group:tone", "group:blur", "content"} <= set(scores.index)
    assert measured.numbers["probe/group/blur"] == scores.loc["group:blur", "value"]
    assert measured.numbers["probe/fine"] == scores.loc["fine", "value"]
    assert measured.seconds > 0
    shown = str(measured).splitlines()
    assert shown[0].startswith("step 10, measured in")
    assert any(line.startswith("fine") and in_percent(scores.loc["fine", "value"]) in line for line in shown)
    (shift,) = [line for line in shown if line.startswith("clean-shift")]
    assert decimal(scores.loc["clean-shift", "value"]) in shift
    assert "%" not in shift


def test_undefined_shift_has_a_note(probe):
    """Embeddings of one positive number have the same direction, so there is no distance to compare with."""
    measured = probe.measure(lambda images: np.array([[image.mean()] for image in images]), 11)
    scores = measured.scores.set_index("name")
    assert np.isnan(scores.loc["clean-shift", "value"])
    assert "undefined" in scores.loc["clean-shift", "note"]
    assert scores.loc["fine", "note"] == ""
    assert scores.loc["clean-shift", "note"] in str(measured).splitlines()


def test_content_is_learned_from_clean_views_of_all_labeled_photographs(probe):
    table = probe.views.table
    untouched = table[(table["transform"] == "identity") & (table["draw"] == 0)]
    assert untouched["base_id"].nunique() == 32, "24 to learn from and 8 held out; the 8 of the test split are unread"
    shown = {"odd": 0.0, "even": 1.0}
    label = dict(zip(map(bytes, probe.views.images), table["label"].map(shown), strict=True))
    told = probe.measure(lambda images: np.stack([(label[bytes(i)], i.mean() / 255) for i in images]), 0)
    assert told.numbers["probe/content"] == 1.0


def test_the_test_split_of_a_corpus_is_never_read():
    corpus = Recording(open_corpus("reference"))
    probe = probing_core.OnlineProbe(corpus, learn=3, held_out=3, view=64, transforms="brighten")
    read = corpus.rows[corpus.rows["image_id"].isin(corpus.read)]
    assert set(read["split"]) == {"train", "val"}
    assert set(probe.views.table["split"]) == {"train", "val"}


def test_the_same_views_are_made_every_time(made, pictures):
    images, labels = pictures
    again = probing_core.OnlineProbe(images, labels=labels, view=32, transforms=FEW, learn=20, held_out=6)
    assert all(np.array_equal(a, b) for a, b in zip(made.views.images, again.views.images, strict=True))


def test_a_module_gets_tensors_and_its_training_goes_on_undisturbed(probe):
    def train(measured: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(6):
            noise = torch.from_numpy(np.random.rand(4, 3, 16, 16).astype(np.float32)) + random.random()  # noqa: NPY002
            loss = net(noise).square().mean()
            optimizer.zero_grad()
            loss.backward()
            if measured and step in (1, 3):
                gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
                probe.measure(net, step, preprocessing=Preprocessing(size=(16, 16), mean=(0.5,) * 3, std=(0.2,) * 3))
                probe.measure(lambda images: net(torch.rand(len(images), 3, 16, 16)), 100 + step, module=net)
                kept = [p.grad for p in net.parameters() if p.grad is not None]
                assert all(torch.equal(a, b) for a, b in zip(gradients, kept, strict=True))
            optimizer.step()
        assert net.training
        assert net.features[3].training
        assert not net.frozen.training
        return [tensor.clone() for tensor in net.state_dict().values()]

    for a, b in zip(train(False), train(True), strict=True):
        assert torch.equal(a, b)
    assert sorted(probe.history["step"].unique()) == [1, 3, 101, 103]


def test_the_modes_and_states_are_put_back_after_an_error_too(probe):
    net = Net()
    state = torch.get_rng_state()

    def fails(images):
        torch.rand(3)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        probe.measure(fails, 0, module=net)
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert probe.history.empty


def test_methods_modules_and_functions_give_the_same(probe):
    net = Net()
    with torch.no_grad():
        for part in net.features:
            if isinstance(part, nn.BatchNorm2d):
                part.running_var.fill_(0.01)

    def by_hand(images):
        net.eval()
        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
        return net(batch)

    numbers = [probe.measure(encode, i).numbers for i, encode in enumerate((net, net.forward, by_hand))]
    assert numbers[0] == pytest.approx(numbers[1])
    assert numbers[0] == pytest.approx(numbers[2], abs=0.05)


def test_a_step_that_is_measured_again_is_replaced_and_steps_are_in_order(probe):
    for step in (20, 0, 20):
        probe.measure(statistics, step)
    assert list(dict.fromkeys(probe.history["step"])) == [0, 20]
    assert not probe.history.duplicated(["step", "name"]).any()
    figure = probe.plot()
    names = {trace.name for trace in figure.data}
    assert {"transformation", "content", "blur", "tone"} <= names
    fine = probe.history[probe.history["name"] == "fine"]
    (drawn,) = [trace for trace in figure.data if trace.name == "transformation"]
    assert list(drawn.x) == [0, 20]
    np.testing.assert_allclose(drawn.y, fine["value"] * 100)


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        (
            lambda images: np.zeros((1, 4)),
            r"an array of shape \(1, 4\) for 64 images. Return a numeric array with one row per image, \(64, D\)",
        ),
        (lambda images: np.zeros(len(images)), r"returned an array of shape \(64,\)"),
        (lambda images: np.full((len(images), 3), np.nan), "The encoder returned values that are not finite numbers"),
        (lambda images: np.ones((len(images), 3)), "All embeddings are equal"),
        (lambda images: [["a"]] * len(images), "values of type <U1 for 64 images"),
        (lambda images: [[1, 2], [3]] * 32, "rows of different lengths for 64 images"),
        (
            lambda images: np.random.default_rng(0).normal(size=(len(images), len(images))),
            r"returned embeddings of dimension \d+ instead of 64",
        ),
    ],
    ids=["rows", "flat", "nan", "constant", "text", "ragged", "another dimension"],
)
def test_embeddings_that_cannot_be_used_are_refused_in_a_sentence(probe, encode, words):
    with pytest.raises(BadArray, match=words):
        probe.measure(encode, 0)
    assert probe.history.empty


def test_what_cannot_be_measured_is_refused_in_a_sentence(probe, pictures, tmp_path):
    images, _ = pictures
    with pytest.raises(BadConfig, match="preprocessing is only supported for a torch.nn.Module"):
        probe.measure(statistics, 0, preprocessing=Preprocessing(size=(8, 8)))
    with pytest.raises(BadConfig, match="Nothing has been measured yet"):
        probe.plot()
    with pytest.raises(BadConfig, match="or a torch.nn.Module; got 'zoo/mae'"):
        probe.measure("zoo/mae", 0)
    with pytest.raises(BadConfig, match="The view size must be between 32 and 1024 pixels; got 3"):
        probing_core.OnlineProbe(images, view=3)
    with pytest.raises(BadConfig, match="other than identity"):
        probing_core.OnlineProbe(images, transforms="identity", view=32)
    with pytest.raises(BadConfig, match="at least 1; got -1 and 40"):
        probing_core.OnlineProbe("photos", learn=-1, view=32)
    with pytest.raises(BadConfig, match="unseen styles are not allowed"):
        probing_core.OnlineProbe(images, transforms="far-styles", view=32)
    with pytest.raises(BadCorpus, match="held-out photographs are required"):
        probing_core.OnlineProbe(images[:3], transforms="brighten", view=32)
    with pytest.raises(BadCorpus):
        probing_core.OnlineProbe(tmp_path)
