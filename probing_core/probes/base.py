"""Probes: small classifiers from an embedding to a class, and the linear one as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TypeAlias

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.classification import MIN_PROBABILITY, softmax
from probing_core.probes import array_file


@dataclass(frozen=True)
class FitFacts:
    """Facts about one fit that are reported with its scores.

    Attributes:
        penalty: the chosen setting: a linear probe's penalty, an MLP's weight decay, the k of kNN.
        at_edge: whether it is the smallest or largest of its grid, so that a better one may be outside.
        converged: whether the optimizer met its tolerance at that penalty.
        iterations: of the optimizer, at that penalty.
        validation_loss: mean negative log-likelihood in nats at that penalty, on the rows that chose it.
        path: (penalty, validation loss) of all that were tried, in order; for an MLP (epoch, validation loss).
    """

    penalty: float
    at_edge: bool
    converged: bool
    iterations: int
    validation_loss: float
    path: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Softmax regression on standardized embeddings; predicting needs NumPy alone.

    Attributes:
        classes: K names, in the order of the rows of ``weight``.
        weight: (K, D) ``float32``, for standardized embeddings.
        bias: (K,) ``float32``.
        mean, scale: (D,) ``float32``; an embedding is standardized as ``(x - mean) / scale``.
        temperature: divides the logits before the softmax.
        root: whether the square root of an embedding, which must not be negative, is standardized instead of the
            embedding.
    """

    classes: tuple[str, ...]
    weight: np.ndarray = field(repr=False)
    bias: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    scale: np.ndarray = field(repr=False)
    facts: FitFacts
    temperature: float = 1.0
    root: bool = False

    def __post_init__(self) -> None:
        shapes = (self.weight.shape, self.bias.shape, self.mean.shape, self.scale.shape)
        k, d = len(self.classes), self.mean.size
        if shapes != ((k, d), (k,), (d,), (d,)):
            raise BadArray(
                f"A linear probe of {k} classes in {d} dimensions needs weight ({k}, {d}), bias ({k},), mean and "
                f"scale ({d},), but they are {', '.join(map(str, shapes))}."
            )

    @property
    def penalty(self) -> float:
        """Weight of the L2 regularization in the fit."""
        return self.facts.penalty

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Return the logits (N, K) ``float32`` of embeddings ``X`` (N, D), before the temperature."""
        X = np.asarray(X, np.float32)
        if X.ndim != 2 or X.shape[1] != self.mean.size:
            raise BadArray(
                f"The probe was fitted on embeddings of {self.mean.size} dimensions and takes an array "
                f"(N, {self.mean.size}), but got {X.shape}; embed with the same model and options."
            )
        if self.root:
            X = square_root(X)
        return ((X - self.mean) / self.scale) @ self.weight.T + self.bias

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, K) ``float32`` of embeddings ``X`` (N, D); rows sum to 1."""
        return softmax(self.logits(X) / np.float32(self.temperature))

    def with_temperature(self, temperature: float) -> LinearProbe:
        """Return the same probe, calibrated (see `probing_core.measures.classification.fit_temperature`)."""
        return replace(self, temperature=float(temperature))

    def with_prior(self, prior: np.ndarray) -> LinearProbe:
        """Return the same probe for classes with the frequencies ``prior`` (K,) instead of equal ones.

        Its probabilities are multiplied by the prior (Saerens et al. 2002); set the temperature first.
        """
        return replace(self, bias=(self.bias + self.temperature * np.log(prior)).astype(np.float32))

    def to_bytes(self) -> bytes:
        """Return a safetensors file; equal probes give equal bytes."""
        about = {"classes": self.classes, "temperature": self.temperature, "facts": asdict(self.facts)}
        if self.root:
            about["root"] = True
        return array_file.to_bytes({name: getattr(self, name) for name in _ARRAYS}, "probe", about)

    @classmethod
    def from_bytes(cls, data: bytes) -> LinearProbe:
        """Read the probe that `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged or are no linear probe.
        """
        with array_file.expected("A linear probe (safetensors with weight, bias, mean, scale and metadata)"):
            arrays, about = array_file.from_bytes(data, "probe")
            facts = {field.name: about["facts"][field.name] for field in fields(FitFacts)}
            facts["path"] = tuple((penalty, loss) for penalty, loss in facts["path"])
            return cls(
                classes=tuple(about["classes"]),
                facts=FitFacts(**facts),
                temperature=about["temperature"],
                root=about.get("root", False),
                **{name: arrays[name] for name in _ARRAYS},
            )


_ARRAYS = ("weight", "bias", "mean", "scale")


def square_root(X: np.ndarray) -> np.ndarray:
    """Return the square root of embeddings after a ReLU, whose long tails are mostly content (power normalization,
    Perronnin et al. 2010)."""
    return np.sqrt(np.maximum(X, 0), dtype=np.float32)


def forward(rows: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the outputs (N, K) of a network with ReLUs, whose ``layers`` are pairs of weight (in, out) and bias
    (out,)."""
    for weight, bias in layers[:-1]:
        rows = np.maximum(rows @ weight + bias, 0)
    weight, bias = layers[-1]
    return rows @ weight + bias


@dataclass(frozen=True, eq=False)
class MLPProbe:
    """A network with ReLUs as plain arrays; predicting needs NumPy alone.

    Attributes:
        classes: K names.
        layers: three pairs of weight (in, out) and bias (out,), ``float32``.
        mean, scale: (D,) of the standardization.
        facts: ``penalty`` is the weight decay, ``iterations`` the chosen epoch; it converged if that is not the last.
    """

    classes: tuple[str, ...]
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    mean: np.ndarray
    scale: np.ndarray
    facts: FitFacts

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, K) ``float32`` of embeddings ``X`` (N, D)."""
        return softmax(forward((np.asarray(X, np.float32) - self.mean) / self.scale, self.layers))


Probe: TypeAlias = LinearProbe | MLPProbe
"""A fitted probe: its ``classes``, their ``probabilities`` for embeddings, and the ``facts`` of the fit."""


def log_loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of -log p(truth) in nats, for ``probabilities`` (N, K) and positions ``truth`` (N,)."""
    right = np.float64(probabilities[np.arange(len(truth)), truth])
    return float(-np.log(np.maximum(right, MIN_PROBABILITY)).mean())
