from __future__ import annotations

import math

import torch
from torch.nn.functional import normalize

from lab.pretraining.objectives import equal_rows, image_text_loss, nt_xent


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_nt_xent_by_the_book() -> None:
    first, second = draw(5, 8), draw(5, 8) + 0.5 * draw(5, 9)[:, :8]
    z = normalize(torch.cat([first, second]), dim=1)
    total = 0.0
    for i in range(10):
        others = [math.exp(float(z[i] @ z[j]) / 0.2) for j in range(10) if j != i]
        total -= math.log(math.exp(float(z[i] @ z[(i + 5) % 10]) / 0.2) / sum(others))
    assert abs(nt_xent(first, second, 0.2).item() - total / 10) < 1e-5


def test_losses_keep_full_precision_under_autocast() -> None:
    first, second, same = draw(16, 8), draw(16, 9)[:, :8], torch.eye(16, dtype=torch.bool)
    scale = torch.tensor(100.0)
    plain = nt_xent(first, second, 0.1), image_text_loss(first, second, same, scale, 0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = nt_xent(first, second, 0.1), image_text_loss(first, second, same, scale, 0.0)
    assert plain == cast


def test_equal_captions_are_several_positives() -> None:
    tokens = torch.tensor([[1, 2, 0], [1, 3, 0], [1, 2, 0], [1, 2, 3]])
    positives = equal_rows(tokens)
    assert positives.tolist() == [
        [True, False, True, False],
        [False, True, False, False],
        [True, False, True, False],
        [False, False, False, True],
    ]
    images, texts = draw(4, 8), draw(4, 9)[:, :8]
    logits = 5.0 * normalize(images, dim=1) @ normalize(texts, dim=1).T
    total = 0.0
    for table in (logits, logits.T):
        for i in range(4):
            probability = table[i].exp() / table[i].exp().sum()
            right = [j for j in range(4) if positives[i, j]]
            total -= sum(float(probability[j].log()) for j in right) / len(right) / 4
    ours = image_text_loss(images, texts, positives, torch.tensor(5.0), 0.0)
    assert abs(ours.item() - total / 2) < 1e-5


def test_smoothing_spreads_the_target() -> None:
    images = texts = torch.eye(4)
    same = torch.eye(4, dtype=torch.bool)
    sure, smoothed = (image_text_loss(images, texts, same, torch.tensor(20.0), s) for s in (0.0, 0.1))
    assert abs((smoothed - sure).item() - 0.1 * 20 * 3 / 4) < 1e-3
