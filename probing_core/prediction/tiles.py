"""How a picture of any size is looked at, and how two looks become one answer.

A picture whose shorter side is within 1.5 times the view is looked at as it is (``direct``). A larger one is looked
at twice (``combined``): whole, reduced to the view, which shows color, tone, style, overlays and composition, and as
tiles at its own scale, which show the blur, noise and compression that reduction erases.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.transforms.base import ERASED_BY_REDUCTION, Image
from probing_core.transforms.view import resize

DIRECT_UP_TO = 1.5
MOST_TILES = 9
"""Of a picture of any size. Sixteen told no more: on the packaged photographs at their own size (310 pictures)
`zoo/mae` named the transformation of 34 % with nine and of 33 % with sixteen, the handcrafted statistics of 68 and
69 %."""

PRIOR_STRENGTH = 0.02
"""Weight of the pull towards the starting rule, per parameter and relative to the mean log-likelihood: a few hundred
pictures outweigh it, ten do not."""


@dataclass(frozen=True)
class Look:
    """What embedders are given of one picture.

    Attributes:
        kind: ``direct`` or ``combined``.
        whole: the central square at the view's size.
        tiles: squares of the view's size at the picture's own scale; none where the look is direct.
    """

    kind: str
    whole: Image
    tiles: tuple[Image, ...] = ()

    @property
    def pictures(self) -> list[Image]:
        return [self.whole, *self.tiles]


def look_at(image: Image, view: int, most_tiles: int = MOST_TILES) -> Look:
    """The looks at ``image`` for probes of ``view`` pixels."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    whole = resize(image[top : top + side, left : left + side], view)
    if side <= DIRECT_UP_TO * view:
        return Look("direct", whole)
    rows, columns = _grid(height, width, view, most_tiles)
    tiles = tuple(
        np.ascontiguousarray(image[y : y + view, x : x + view])
        for y in _starts(height, view, rows)
        for x in _starts(width, view, columns)
    )
    return Look("combined", whole, tiles)


def _grid(height: int, width: int, view: int, most: int) -> tuple[int, int]:
    """Rows and columns of tiles that cover the picture as far as ``most`` allow, in its own aspect ratio."""
    rows, columns = -(-height // view), -(-width // view)
    while rows * columns > most:
        if columns == 1 or (rows > 1 and rows / height >= columns / width):
            rows -= 1
        else:
            columns -= 1
    return rows, columns


def _starts(length: int, view: int, count: int) -> list[int]:
    if count == 1:
        return [(length - view) // 2]
    return [round(i * (length - view) / (count - 1)) for i in range(count)]


@dataclass(frozen=True, eq=False)
class LookRule:
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

    def combine(self, whole: np.ndarray, tiles: np.ndarray) -> np.ndarray:
        """Probabilities (K,) of one picture from those of its whole (K,) and of its tiles (T, K)."""
        return _softmax(self._logits(np.log(_floor(whole)), np.log(_floor(tiles)).mean(axis=0)) / self.temperature)

    def _logits(self, whole: np.ndarray, tiles: np.ndarray) -> np.ndarray:
        return self.whole * whole + self.tiles * tiles + self.bias

    def to_bytes(self) -> bytes:
        from safetensors.numpy import save

        arrays = {n: np.ascontiguousarray(getattr(self, n), np.float32) for n in ("whole", "tiles", "bias")}
        return save(
            arrays, metadata={"look": json.dumps({"fitted_on": self.fitted_on, "temperature": self.temperature})}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> LookRule:
        from safetensors.numpy import load

        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        arrays, about = load(data), json.loads(header["__metadata__"]["look"])
        return cls(arrays["whole"], arrays["tiles"], arrays["bias"], **about)


def starting_rule(groups: Sequence[str]) -> LookRule:
    """The rule before any fit: traces of `ERASED_BY_REDUCTION` mostly from the tiles, everything else from both alike.

    Args:
        groups: (K,) the group of each class.
    """
    tiles = np.array([0.8 if g in ERASED_BY_REDUCTION else 0.5 for g in groups], np.float32)
    return LookRule(1 - tiles, tiles, np.zeros(len(groups), np.float32))


def fit_rule(whole: np.ndarray, tiles: np.ndarray, truth: np.ndarray, groups: Sequence[str]) -> LookRule:
    """The rule that best tells ``truth``: three numbers a group, pulled towards `starting_rule`.

    Args:
        whole: (N, K) probabilities of pictures seen whole, by probes that did not learn from them.
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
        probabilities = _softmax(a * log_whole + b * log_tiles + c)
        value = -(weight * np.log(_floor(probabilities[rows, truth]))).sum()
        slope = probabilities
        slope[rows, truth] -= 1
        slope *= weight[:, None]
        gradient = np.stack([(slope * log_whole).sum(0), (slope * log_tiles).sum(0), slope.sum(0)]) @ member.T
        pull = by_group - prior
        return value + PRIOR_STRENGTH * (pull**2).sum(), (gradient + 2 * PRIOR_STRENGTH * pull).ravel()

    best = minimize(loss, prior.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    a, b, c = (best.x.reshape(3, -1) @ member).astype(np.float32)
    return LookRule(a, b, c, fitted_on=len(truth))


def _floor(probabilities: np.ndarray) -> np.ndarray:
    return np.maximum(np.asarray(probabilities, np.float64), 1e-6)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
