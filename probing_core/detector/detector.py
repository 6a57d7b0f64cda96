"""The detector of alterations: two small networks over `features`, whose log-probabilities are averaged.

Untouched views have half of the weight in training, so that it learns how they can look; `answers.reference_sets`
compares its score with clean photographs that it never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from probing_core.answers.crops import Crops, Prediction, predictions_of
from probing_core.compute.names import DETECTOR
from probing_core.detector.features import features
from probing_core.images.quality import NEAR_GRAY
from probing_core.probes import array_file
from probing_core.probes.base import forward
from probing_core.transforms.base import Image

GRAY_SIDE = 64
"""Side in pixels at which the spread of the channels is measured: noise of single pixels has averaged out."""


def has_no_color(image: Image) -> bool:
    """Return whether the mean spread of the channels (largest minus smallest) is below `NEAR_GRAY`."""
    small = cv2.resize(image, (GRAY_SIDE, GRAY_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return bool((small.max(2) - small.min(2)).mean() < NEAR_GRAY)


def turned_gray(image: Image) -> Image:
    """Return ``image`` with its luma in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


WIDTH = 512
DROPOUT = 0.4
"""Without it, the networks overfit after a third of the epochs, and detect less."""

SMOOTHING = 0.05
"""Of the labels: a weak alteration looks like an untouched picture, and a network that must be certain detects less."""

SEEDS = (0, 1)

CLIP = 8.0
"""Largest distance of a feature in standard deviations: pictures from outside have a few wild ones."""


@dataclass(frozen=True, eq=False)
class Detector:
    """Networks that predict with NumPy alone.

    Attributes:
        classes, groups: (K,) names, and the group of each.
        mean, scale: (D,) of the standardization.
        layers: for each seed three pairs of weight (in, out) and bias (out,).
    """

    classes: tuple[str, ...]
    groups: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...]

    def log_probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return (N, K) for features ``X`` (N, D); each row is normalized."""
        rows = self._standardized(X)
        return _log_softmax(np.mean([_log_softmax(forward(rows, layers)) for layers in self.layers], axis=0))

    def _standardized(self, X: np.ndarray) -> np.ndarray:
        return np.clip((np.asarray(X, np.float32) - self.mean) / self.scale, -CLIP, CLIP)

    def to_bytes(self) -> bytes:
        """Return a safetensors file; equal detectors give equal bytes."""
        arrays = {"mean": self.mean, "scale": self.scale}
        for seed, layers in enumerate(self.layers):
            for depth, (weight, bias) in enumerate(layers):
                arrays |= {f"{seed}.{depth}.weight": weight, f"{seed}.{depth}.bias": bias}
        about = {"classes": self.classes, "groups": self.groups, "seeds": len(self.layers)}
        return array_file.to_bytes(arrays, DETECTOR, about)

    @classmethod
    def from_bytes(cls, data: bytes) -> Detector:
        """Read what `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged or something else.
        """
        with array_file.expected("A detector (safetensors with mean, scale and layers)"):
            arrays, about = array_file.from_bytes(data, DETECTOR)
            layers = tuple(
                tuple((arrays[f"{seed}.{depth}.weight"], arrays[f"{seed}.{depth}.bias"]) for depth in range(3))
                for seed in range(about["seeds"])
            )
            return cls(tuple(about["classes"]), tuple(about["groups"]), arrays["mean"], arrays["scale"], layers)


def fit_detector(
    X: np.ndarray,
    y: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    *,
    classes: Sequence[str],
    groups: Sequence[str],
) -> Detector:
    """Learn from features ``X`` (n, D) of classes ``y`` (n,); the epoch is chosen by ``validation``, features and
    classes of photographs held out."""
    from probing_core.probes.mlp import fit_seeds

    held, held_y = validation
    untouched = np.array([group == "identity" for group in groups])
    mean, scale = X.mean(0, dtype=np.float64), X.std(0, dtype=np.float64) + 1e-6
    rows, held_rows = (np.clip((part - mean) / scale, -CLIP, CLIP).astype(np.float32) for part in (X, held))
    probes = fit_seeds(
        rows,
        y,
        classes=classes,
        validation=(held_rows, held_y),
        seeds=SEEDS,
        width=WIDTH,
        dropout=DROPOUT,
        smoothing=SMOOTHING,
        weights=sample_weights(untouched[y]),
        validation_weights=sample_weights(untouched[held_y]),
    )
    return Detector(
        tuple(classes),
        tuple(groups),
        mean.astype(np.float32),
        scale.astype(np.float32),
        tuple(_undo_standardization(probe.layers, probe.mean, probe.scale) for probe in probes),
    )


def sample_weights(untouched: np.ndarray) -> np.ndarray:
    """Return (n,) weights with mean 1, half of whose sum is on ``untouched`` (n,) views."""
    share = untouched.mean()
    return np.where(untouched, 0.5 / share, 0.5 / (1 - share))


def _undo_standardization(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], mean: np.ndarray, scale: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    (weight, bias), *others = layers
    first = weight / scale[:, None]
    return ((first.astype(np.float32), (bias - mean @ first).astype(np.float32)), *others)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def detect(detector: Detector, crops: Sequence[Crops]) -> list[Prediction]:
    """Return one prediction a picture; all crops must have one size."""
    X = features([crop for image in crops for crop in image.images])
    probabilities = np.exp(detector.log_probabilities(X).astype(np.float64))
    return predictions_of(DETECTOR, detector.classes, detector.groups, crops, probabilities, X)
