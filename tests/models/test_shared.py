from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from probing_core.models import compiled
from probing_core.models import network as shared
from probing_core.models.base import Preprocessing
from probing_core.models.network import Network, NetworkEmbedder, SharedPictures
from tests.models.made import pictures
from tests.models.test_network import SMALL, small_net

pytestmark = pytest.mark.skipif(not compiled.installed_version(), reason="batches are shared by compiled networks")


class Counting(NetworkEmbedder):
    """Counts the pictures that it prepares."""

    prepared = 0

    def prepare(self, images):
        self.prepared += len(images)
        return super().prepare(images)


def made(preprocessing: Preprocessing) -> Counting:
    net = small_net()
    embedder = Counting("mine/net", Network(module=net, embed=net, pooling="own"), preprocessing, {}, "cpu", "float32")
    embedder.prepared = 0  # without those of the comparison with PyTorch
    return embedder


def prepared(*embedders: Counting) -> list[int]:
    """How many pictures each prepares of the same three; their embeddings are those of each by itself."""
    together = SharedPictures(pictures(), embedders)
    embeddings = [embedder.embed(together) for embedder in embedders]
    counts = [embedder.prepared for embedder in embedders]
    for embedder, ours in zip(embedders, embeddings, strict=True):
        np.testing.assert_array_equal(ours, embedder.embed(pictures()))
    return counts


def test_what_one_prepared_serves_the_others_of_equal_preprocessing():
    assert prepared(made(SMALL), made(replace(SMALL, mean=(0.1, 0.1, 0.1))), made(SMALL)) == [3, 3, 0]


def test_in_pytorch_each_prepares_its_own():
    first, second = made(SMALL), made(SMALL)
    second.run_in_pytorch()
    assert prepared(first, second) == [3, 3]


class Overwriting(torch.nn.Module):
    """Writes into its input."""

    def forward(self, batch):
        return batch.mul_(0).flatten(1)[:, :4] + 1


def test_what_a_network_writes_into_its_input_reaches_no_other():
    first, second = made(SMALL), made(SMALL)
    first._forward._own = partial(first._forward._in_pytorch, lambda batch: [Overwriting()(batch)])
    images = SharedPictures(pictures(), [second, made(SMALL)])
    batch = images.batch(SMALL, range(3), lambda: second.prepare(pictures()))
    before = batch.clone()
    assert (first._forward.own(batch)[0] == 1).all()
    assert torch.equal(batch, before)


def test_a_batch_is_held_until_the_last_has_taken_it_and_not_once_memory_ran_short():
    embedders = [made(SMALL) for _ in range(3)]
    images = SharedPictures(pictures(), embedders)
    made_of, calls = object(), []

    def take(positions=range(2)):
        return images.batch(SMALL, positions, lambda: calls.append(positions) or made_of)

    assert [take() for _ in range(3)] == [made_of] * 3
    assert len(calls) == 1
    assert not images._batches
    take()
    images.forget()
    assert not images._batches
    assert take() is made_of
    assert len(calls) == 3
    assert not images._batches


def test_batches_that_are_too_large_are_not_held(monkeypatch):
    monkeypatch.setattr(shared, "MAX_SHARED_BYTES", 3 * 32 * 32 * 3 * 4 - 1)
    assert prepared(made(SMALL), made(SMALL)) == [3, 3]
