"""How the answers on a large picture's whole and on its tiles become one.

Each group weighs the two in its own way: blur, noise and compression show in the tiles, everything else in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.measures.probabilities import softmax
from probing_core.probes import array_file
from probing_core.transforms.base import ERASED_BY_REDUCTION

PRIOR_WEIGHT = 0.02
"""Weight of the pull towards the starting rule, per parameter and relative to the mean log-likelihood: a few hundred
pictures outweigh it, ten do not."""

FLOOR = 1e-6
"""Smallest probability that enters the rule: no crop outweighs the others by being sure alone."""


@dataclass(frozen=True, eq=False)
class FusionRule:
    """Logit of class k = whole[k] * log p(whole) + tiles[k] * mean of log p(tile) + bias[k]; then softmax.

    Attributes:
        whole, tiles, bias: (K,), equal within a group.
        fitted_on: how many pictures it was fitted on; 0 for the starting rule.
        temperature: logits are divided by it before the softmax; fitted in training on pictures held out.
    """

    whole: np.ndarray
    tiles: np.ndarray
    bias: np.ndarray
    fitted_on: int = 0
    temperature: float = 1.0

    def fuse(self, whole: np.ndarray, tiles: np.ndarray) -> np.ndarray:
        """Return probabilities (K,) of one picture from those of its whole (K,) and of its tiles (T, K)."""
        log_whole, log_tiles = np.log(_floor(whole)), np.log(_floor(tiles)).mean(axis=0)
        return softmax((self.whole * log_whole + self.tiles * log_tiles + self.bias) / self.temperature)

    def to_bytes(self) -> bytes:
        arrays = {name: getattr(self, name) for name in ("whole", "tiles", "bias")}
        return array_file.to_bytes(arrays, "fusion", {"fitted_on": self.fitted_on, "temperature": self.temperature})

    @classmethod
    def from_bytes(cls, data: bytes) -> FusionRule:
        """Read what `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged or something else.
        """
        with array_file.expected("A rule of fusion (safetensors with whole, tiles and bias)"):
            arrays, about = array_file.from_bytes(data, "fusion")
            return cls(arrays["whole"], arrays["tiles"], arrays["bias"], **about)


def starting_rule(groups: Sequence[str]) -> FusionRule:
    """Return the rule before any fit: traces of `ERASED_BY_REDUCTION` mostly from tiles, all else from both alike.

    Args:
        groups: (K,) the group of each class.
    """
    tiles = np.array([0.8 if g in ERASED_BY_REDUCTION else 0.5 for g in groups], np.float32)
    return FusionRule(1 - tiles, tiles, np.zeros(len(groups), np.float32))


def fit_rule(whole: np.ndarray, tiles: np.ndarray, truth: np.ndarray, groups: Sequence[str]) -> FusionRule:
    """Fit the rule that predicts ``truth`` best: three numbers a group, pulled towards `starting_rule`.

    Args:
        whole: (N, K) probabilities of whole pictures, by probes that did not learn from them.
        tiles: (N, K) exp of the mean log-probability of their tiles.
        truth: (N,) class indices.
        groups: (K,) the group of each class.
    """
    from scipy.optimize import minimize

    names = list(dict.fromkeys(groups))
    member = np.array([[g == name for g in groups] for name in names], np.float64)  # (G, K)
    start = starting_rule(groups)
    prior = np.stack([(member * v).sum(1) / member.sum(1) for v in (start.whole, start.tiles, start.bias)])  # (3, G)
    log_whole, log_tiles = np.log(_floor(whole)), np.log(_floor(tiles))
    # Every group weighs the same, and every class within it, however many pictures it has.
    weight = 1 / (np.bincount(truth, minlength=len(groups)) * (member.sum(1) @ member))[truth]
    weight /= weight.sum()
    rows = np.arange(len(truth))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        by_group = flat.reshape(3, -1)
        a, b, c = by_group @ member
        probabilities = softmax(a * log_whole + b * log_tiles + c)
        value = -(weight * np.log(_floor(probabilities[rows, truth]))).sum()
        slope = probabilities
        slope[rows, truth] -= 1
        slope *= weight[:, None]
        gradient = np.stack([(slope * log_whole).sum(0), (slope * log_tiles).sum(0), slope.sum(0)]) @ member.T
        pull = by_group - prior
        return value + PRIOR_WEIGHT * (pull**2).sum(), (gradient + 2 * PRIOR_WEIGHT * pull).ravel()

    best = minimize(loss, prior.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    a, b, c = (best.x.reshape(3, -1) @ member).astype(np.float32)
    return FusionRule(a, b, c, fitted_on=len(truth))


def _floor(probabilities: np.ndarray) -> np.ndarray:
    return np.maximum(np.asarray(probabilities, np.float64), FLOOR)
