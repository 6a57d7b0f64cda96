"""Edit detector: two small networks on image features, combined by averaging their log probabilities.

Clean views account for half of the total sample weight in training, so that the detector learns how they vary.
`probing_core.answers.reference_sets` compares the score of an image with the scores of clean photographs that were not
used for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.answers.crops import Crops, Prediction, predictions_of
from probing_core.compute.task_names import DETECTOR
from probing_core.detector.features import features
from probing_core.probes.probe import arrays_from_bytes, arrays_to_bytes, expected, forward

DETECTOR_UNITS = 512
DROPOUT = 0.4
"""Dropout rate. Without dropout, the networks overfit after a third of the epochs and detect fewer edits."""

SMOOTHING = 0.05
"""Label smoothing factor. Weak edits look like clean images, and networks trained on hard labels detect fewer edits."""

DETECTOR_SEEDS = (0, 1)

CLIP = 8.0
"""Maximum absolute value of standardized features. Features are clipped, because unseen images may have outliers."""


@dataclass(frozen=True, eq=False)
class Detector:
    """Trained networks for edit detection, evaluated in NumPy.

    Attributes:
        classes, groups: (K,) name and group of each class.
        mean, scale: (D,) mean and scale of each feature for standardization.
        layers: three pairs of weights (in, out) and biases (out,) for each seed.
    """

    classes: tuple[str, ...]
    groups: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...]

    def log_probabilities(self, X: np.ndarray) -> np.ndarray:
        """Compute normalized log probabilities (N, K) from features ``X`` (N, D)."""
        rows = self._standardized(X)
        return _log_softmax(np.mean([_log_softmax(forward(rows, layers)) for layers in self.layers], axis=0))

    def _standardized(self, X: np.ndarray) -> np.ndarray:
        return np.clip((np.asarray(X, np.float32) - self.mean) / self.scale, -CLIP, CLIP)

    def to_bytes(self) -> bytes:
        """Serialize the detector in the safetensors format. Equal detectors yield equal bytes."""
        arrays = {"mean": self.mean, "scale": self.scale}
        for seed, layers in enumerate(self.layers):
            for depth, (weight, bias) in enumerate(layers):
                arrays |= {f"{seed}.{depth}.weight": weight, f"{seed}.{depth}.bias": bias}
        about = {"classes": self.classes, "groups": self.groups, "seeds": len(self.layers)}
        return arrays_to_bytes(arrays, DETECTOR, about)

    @classmethod
    def from_bytes(cls, data: bytes) -> Detector:
        """Load a detector from bytes returned by `to_bytes`.

        Raises:
            BadRun: the bytes are corrupted or have a different format.
        """
        with expected("A detector (safetensors with mean, scale and layers)"):
            arrays, about = arrays_from_bytes(data, DETECTOR)
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
    """Train a detector on features ``X`` (n, D) with class indices ``y`` (n,).

    Args:
        validation: features and class indices of held-out photographs, used to select the best epoch of each network.
        classes, groups: (K,) name and group of each class.
    """
    from probing_core.probes.mlp import fit_seeds

    held_out, held_out_y = validation
    clean = np.array([group == "identity" for group in groups])
    mean, scale = X.mean(0, dtype=np.float64), X.std(0, dtype=np.float64) + 1e-6
    rows, held_out_rows = (np.clip((part - mean) / scale, -CLIP, CLIP).astype(np.float32) for part in (X, held_out))
    probes = fit_seeds(
        rows,
        y,
        classes=classes,
        validation=(held_out_rows, held_out_y),
        seeds=DETECTOR_SEEDS,
        width=DETECTOR_UNITS,
        dropout=DROPOUT,
        smoothing=SMOOTHING,
        weights=sample_weights(clean[y]),
        validation_weights=sample_weights(clean[held_out_y]),
    )
    return Detector(
        tuple(classes),
        tuple(groups),
        mean.astype(np.float32),
        scale.astype(np.float32),
        tuple(_undo_standardization(probe.layers, probe.mean, probe.scale) for probe in probes),
    )


def sample_weights(clean: np.ndarray) -> np.ndarray:
    """Compute sample weights (n,) with mean 1 that assign half of the total weight to clean views.

    Args:
        clean: (n,) whether each view is clean.
    """
    share = clean.mean()
    return np.where(clean, 0.5 / share, 0.5 / (1 - share))


def _undo_standardization(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], mean: np.ndarray, scale: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    (weight, bias), *deeper = layers
    first = weight / scale[:, None]
    return ((first.astype(np.float32), (bias - mean @ first).astype(np.float32)), *deeper)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def detect(detector: Detector, crops: Sequence[Crops]) -> list[Prediction]:
    """Predict the edit of each image. All crops must have the same size."""
    X = features([crop for image in crops for crop in image.images])
    probabilities = np.exp(detector.log_probabilities(X).astype(np.float64))
    return predictions_of(DETECTOR, detector.classes, detector.groups, crops, probabilities, X)
