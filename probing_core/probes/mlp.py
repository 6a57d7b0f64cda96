"""MLP probe: two hidden layers, with weight decay, dropout and the number of epochs selected on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from probing_core.probes import rows as reading
from probing_core.probes.probe import FitFacts, MLPProbe
from probing_core.probes.rows import Sliceable

HIDDEN_UNITS = 512
WEIGHT_DECAY = 1e-2
LEARNING_RATE = 1e-3
BATCH_ROWS = 256
EPOCHS = 20


@dataclass(frozen=True)
class Settings:
    """Regularization of an MLP: weight decay (AdamW), and fraction of hidden units that are dropped in each step."""

    weight_decay: float
    dropout: float


GRID = tuple(Settings(weight_decay, dropout) for weight_decay in (0.01, 1.0) for dropout in (0.2, 0.5))
"""Settings from which `fit_selected` selects."""

MIN_EPOCHS = 3

MAX_ROWS_READ = 240_000
"""Maximum number of training rows, summed over the epochs of a fit, above which `fit_selected` uses fewer epochs."""


@dataclass(frozen=True, eq=False)
class SelectedMLPs:
    """One probe per seed, and the settings with which all of them were trained."""

    settings: Settings
    probes: tuple[MLPProbe, ...]


def fit_selected(
    X: Sliceable,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[Sliceable, np.ndarray],
    seeds: Sequence[int],
) -> SelectedMLPs:
    """Fit one probe per seed, with the settings in `GRID` that minimize the validation loss of the first seed."""

    def fit(seed: int, settings: Settings) -> MLPProbe:
        (probe,) = fit_seeds(
            X,
            y,
            classes=classes,
            validation=validation,
            seeds=(seed,),
            width=HIDDEN_UNITS,
            dropout=settings.dropout,
            weight_decay=settings.weight_decay,
            epochs=epochs_for(len(y)),
        )
        return probe

    of_first_seed = {settings: fit(seeds[0], settings) for settings in GRID}
    best = min(GRID, key=lambda settings: of_first_seed[settings].facts.validation_loss)
    return SelectedMLPs(best, (of_first_seed[best], *(fit(seed, best) for seed in seeds[1:])))


def epochs_for(rows: int) -> int:
    """Return the number of epochs for a number of training rows.

    With many rows, few epochs are sufficient, and the learning rate must fall to 0 within them.

    Examples:
        >>> epochs_for(1_000), epochs_for(40_000), epochs_for(1_000_000)
        (20, 6, 3)
    """
    return max(MIN_EPOCHS, min(EPOCHS, MAX_ROWS_READ // rows))


def fit_seeds(
    X: Sliceable,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    validation: tuple[Sliceable, np.ndarray],
    seeds: Sequence[int],
    width: int = HIDDEN_UNITS,
    dropout: float = 0.0,
    weight_decay: float = WEIGHT_DECAY,
    epochs: int = EPOCHS,
    smoothing: float = 0.0,
    weights: np.ndarray | None = None,
    validation_weights: np.ndarray | None = None,
) -> tuple[MLPProbe, ...]:
    """Fit one probe per seed, in parallel.

    The seed determines the initial weights, the row order and the dropped units. The optimizer is AdamW (Loshchilov &
    Hutter 2019) with a cosine schedule to 0. Each seed keeps the epoch with the lowest loss on ``validation``.
    All fits count as converged, because the learning rate has fallen to 0.

    Args:
        X: embeddings (N, D); any sliceable object. All rows are read into memory.
        width: number of units per hidden layer.
        dropout: fraction of hidden units dropped in each step (Srivastava et al. 2014).
        smoothing: label smoothing (Szegedy et al. 2016).
        weights, validation_weights: row weights for the training and validation losses, with mean 1; by default equal.
    """
    k = len(classes)
    reading.check(X, y, k)
    reading.check(*validation, k)
    mean, scale = reading.moments(X, np.ones(len(y)))
    rows, truth, weight = _tensors(X, y, weights, mean, scale)
    held_out = _tensors(*validation, validation_weights, mean, scale)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    layers = _first_layers((rows.shape[1], width, width, k), generators)
    optimizer = torch.optim.AdamW(layers, lr=LEARNING_RATE, weight_decay=weight_decay)
    steps = epochs * -(-len(truth) // BATCH_ROWS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best = [(np.inf, 0, [layer.detach()[s].clone() for layer in layers]) for s in range(len(seeds))]
    paths: list[list[tuple[float, float]]] = [[] for _ in seeds]
    for epoch in range(1, epochs + 1):
        order = torch.stack([torch.randperm(len(truth), generator=g) for g in generators])
        for batch in order.split(BATCH_ROWS, dim=1):
            optimizer.zero_grad()
            masks = _kept_units(layers, batch.shape[1], dropout, generators) if dropout else ()
            _batch_loss(layers, rows[batch], truth[batch], weight[batch], masks, smoothing).backward()
            optimizer.step()
            schedule.step()
        for s, validation_loss in enumerate(_losses(layers, *held_out)):
            paths[s].append((float(epoch), validation_loss))
            if validation_loss < best[s][0]:
                best[s] = (validation_loss, epoch, [layer.detach()[s].clone() for layer in layers])
    return tuple(
        MLPProbe(
            tuple(classes),
            tuple((w.numpy(), b[0].numpy()) for w, b in zip(chosen[::2], chosen[1::2], strict=True)),
            mean.astype(np.float32),
            scale.astype(np.float32),
            FitFacts(weight_decay, False, True, epoch, loss, tuple(path)),
        )
        for (loss, epoch, chosen), path in zip(best, paths, strict=True)
    )


def _first_layers(sizes: Sequence[int], generators: Sequence[torch.Generator]) -> list[Tensor]:
    """Initialize alternating weights (S, in, out) (He et al. 2015) and biases (S, 1, out) of 0."""
    layers = []
    for fan_in, out in pairwise(sizes):
        draws = [torch.randn(fan_in, out, generator=g) * (2 / fan_in) ** 0.5 for g in generators]
        layers += [torch.stack(draws).requires_grad_(), torch.zeros(len(generators), 1, out, requires_grad=True)]
    return layers


def _forward(layers: Sequence[Tensor], rows: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
    """Compute the logits (S, n, K) of rows (S, n, D). Hidden units are multiplied by ``masks``, if present."""
    hidden = rows
    for depth, (weight, bias) in enumerate(zip(layers[:-2:2], layers[1:-2:2], strict=True)):
        hidden = torch.baddbmm(bias, hidden, weight).relu()
        if masks:
            hidden = hidden * masks[depth]
    return torch.baddbmm(layers[-1], hidden, layers[-2])


def _kept_units(
    layers: Sequence[Tensor], count: int, dropout: float, generators: Sequence[torch.Generator]
) -> list[Tensor]:
    """Draw inverted dropout masks (S, count, width), one per hidden layer."""
    widths = [bias.shape[2] for bias in layers[1:-2:2]]
    draws = [torch.stack([torch.rand(count, width, generator=g) for g in generators]) for width in widths]
    return [(draw >= dropout) / (1 - dropout) for draw in draws]


def _tensors(
    X: Sliceable, y: np.ndarray, weights: np.ndarray | None, mean: np.ndarray, scale: np.ndarray
) -> tuple[Tensor, Tensor, Tensor]:
    rows = reading.standardized(X, slice(0, len(y)), mean, scale)[:, :-1]
    weight = torch.ones(len(y)) if weights is None else torch.from_numpy(np.asarray(weights, np.float32))
    return rows, torch.from_numpy(np.asarray(y, np.int64)), weight


def _batch_loss(
    layers: Sequence[Tensor], rows: Tensor, truth: Tensor, weight: Tensor, masks: Sequence[Tensor], smoothing: float
) -> Tensor:
    """Compute the weighted mean loss on rows (S, n, D), summed over the seeds, which do not share weights."""
    logits = _forward(layers, rows, masks).flatten(0, 1)
    losses = F.cross_entropy(logits, truth.flatten(), reduction="none", label_smoothing=smoothing)
    return (losses * weight.flatten()).sum() / rows.shape[1]


def _losses(layers: Sequence[Tensor], rows: Tensor, truth: Tensor, weight: Tensor) -> list[float]:
    totals = torch.zeros(len(layers[0]), dtype=torch.float64)
    with torch.no_grad():
        for start in range(0, len(truth), reading.FIT_ROWS):
            part = slice(start, start + reading.FIT_ROWS)
            logits = _forward(layers, rows[part].expand(len(totals), -1, -1))
            for s in range(len(totals)):
                totals[s] += (F.cross_entropy(logits[s], truth[part], reduction="none") * weight[part]).sum()
    return (totals / weight.sum(dtype=torch.float64)).tolist()
