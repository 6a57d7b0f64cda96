"""Probes: small classifiers on embeddings, stored in safetensors files as named arrays and one JSON entry."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import IO, Any, TypeAlias

import numpy as np

from probing_core.errors import BadArray, BadRun
from probing_core.measures.classification import MIN_PROBABILITY, softmax


@dataclass(frozen=True)
class FitFacts:
    """Fit statistics that are reported with the scores.

    Attributes:
        penalty: hyperparameter: penalty of a linear probe, shrinkage of a discriminant analysis, weight decay of an
            MLP, or k of k-NN.
        at_edge: whether the penalty is at the edge of its grid. If so, a better value may be outside the grid.
        converged: whether the optimizer reached its tolerance with this penalty.
        iterations: number of optimizer iterations with this penalty.
        validation_loss: mean negative log-likelihood in nats on the validation rows.
        path: (penalty, validation loss) pairs in the order in which they were tried; for an MLP, (epoch, validation
            loss) pairs.
    """

    penalty: float
    at_edge: bool
    converged: bool
    iterations: int
    validation_loss: float
    path: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Softmax regression on standardized embeddings. Prediction requires only NumPy.

    Attributes:
        classes: K class names, in the order of the rows of ``weight``.
        weight: (K, D) ``float32``, for standardized embeddings.
        bias: (K,) ``float32``.
        mean, scale: (D,) ``float32``; an embedding is standardized as ``(x - mean) / scale``.
        temperature: divisor of the logits before the softmax.
        root: whether embeddings, which must not be negative, are replaced with their square roots before
            standardization.
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
                f"A linear probe of {k} classes in {d} dimensions requires weight ({k}, {d}), bias ({k},), mean and "
                f"scale ({d},), but got {', '.join(map(str, shapes))}."
            )

    @property
    def penalty(self) -> float:
        """Penalty of the fit (see `FitFacts`)."""
        return self.facts.penalty

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Compute the logits (N, K) ``float32`` of embeddings ``X`` (N, D), before temperature scaling."""
        X = np.asarray(X, np.float32)
        if X.ndim != 2 or X.shape[1] != self.mean.size:
            raise BadArray(
                f"The probe was fitted on embeddings with {self.mean.size} dimensions and expects an array "
                f"(N, {self.mean.size}), but got {X.shape}. Embed with the same model and options."
            )
        if self.root:
            X = square_root(X)
        return ((X - self.mean) / self.scale) @ self.weight.T + self.bias

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Compute class probabilities (N, K) ``float32`` of embeddings ``X`` (N, D). Rows sum to 1."""
        return softmax(self.logits(X) / np.float32(self.temperature))

    def with_temperature(self, temperature: float) -> LinearProbe:
        """Return a copy with this temperature (see `probing_core.measures.classification.fit_temperature`)."""
        return replace(self, temperature=float(temperature))

    def with_prior(self, prior: np.ndarray) -> LinearProbe:
        """Return a copy that assumes the class probabilities ``prior`` (K,) instead of a uniform prior.

        Predicted probabilities are multiplied by the prior and normalized (Saerens et al. 2002). Set the temperature
        first.
        """
        return replace(self, bias=(self.bias + self.temperature * np.log(prior)).astype(np.float32))

    def to_bytes(self) -> bytes:
        """Serialize the probe as safetensors. Equal probes yield equal bytes."""
        about = {"classes": self.classes, "temperature": self.temperature, "facts": asdict(self.facts)}
        if self.root:
            about["root"] = True
        return arrays_to_bytes({name: getattr(self, name) for name in _ARRAYS}, "probe", about)

    @classmethod
    def from_bytes(cls, data: bytes) -> LinearProbe:
        """Load a probe from bytes returned by `to_bytes`.

        Raises:
            BadRun: the bytes are corrupted or are not a linear probe.
        """
        with expected("A linear probe (safetensors with weight, bias, mean, scale and metadata)"):
            arrays, about = arrays_from_bytes(data, "probe")
            facts = {field.name: about["facts"][field.name] for field in fields(FitFacts)}
            facts["path"] = tuple((penalty, loss) for penalty, loss in facts["path"])
            if not all(isinstance(name, str) for name in about["classes"]):
                raise ValueError("the names of classes are not strings")
            if not (0 < about["temperature"] < math.inf and (arrays["scale"] > 0).all()):
                raise ValueError(
                    "the temperature or a scale is not positive"
                )  # constant dimensions have a scale of inf
            return cls(
                classes=tuple(about["classes"]),
                facts=FitFacts(**facts),
                temperature=about["temperature"],
                root=about.get("root", False),
                **{name: arrays[name] for name in _ARRAYS},
            )


_ARRAYS = ("weight", "bias", "mean", "scale")


def square_root(X: np.ndarray) -> np.ndarray:
    """Compute the square root of embeddings after a ReLU (power normalization, Perronnin et al. 2010).

    The square root compresses long tails, which mostly encode content.
    """
    return np.sqrt(np.maximum(X, 0), dtype=np.float32)


def forward(rows: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Compute the outputs (N, K) of a ReLU network with ``layers`` of (weight (in, out), bias (out,))."""
    for weight, bias in layers[:-1]:
        rows = np.maximum(rows @ weight + bias, 0)
    weight, bias = layers[-1]
    return rows @ weight + bias


@dataclass(frozen=True, eq=False)
class MLPProbe:
    """ReLU network as plain arrays. Prediction requires only NumPy.

    Attributes:
        classes: K class names.
        layers: three pairs of weight (in, out) and bias (out,), ``float32``.
        mean, scale: (D,) parameters of the standardization.
        facts: fit statistics. ``penalty`` is the weight decay, and ``iterations`` is the selected epoch. The fit counts
            as converged if the selected epoch is not the last.
    """

    classes: tuple[str, ...]
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    mean: np.ndarray
    scale: np.ndarray
    facts: FitFacts

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Compute class probabilities (N, K) ``float32`` of embeddings ``X`` (N, D)."""
        return softmax(forward((np.asarray(X, np.float32) - self.mean) / self.scale, self.layers))


Probe: TypeAlias = LinearProbe | MLPProbe
"""Fitted probe with ``classes``, ``probabilities`` and the ``facts`` of the fit."""


def log_loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Compute the mean negative log-likelihood in nats of class indices ``truth`` (N,) for ``probabilities`` (N, K)."""
    right = np.float64(probabilities[np.arange(len(truth)), truth])
    return float(-np.log(np.maximum(right, MIN_PROBABILITY)).mean())


MAPPED = {"F32": "<f4", "F16": "<f2"}
"""Safetensors data types that NumPy can memory-map -> NumPy data types."""

MAX_HEADER_BYTES = 100 * 2**20
"""Maximum size of the header of a safetensors file, as in the library."""


@dataclass(frozen=True)
class ArrayEntry:
    """Type, shape and place of an array in a safetensors file.

    Attributes:
        start, end: position of the array in bytes, relative to the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def arrays_to_bytes(arrays: Mapping[str, np.ndarray], entry: str, about: Mapping[str, Any]) -> bytes:
    """Serialize ``arrays``, and ``about`` as JSON under the name ``entry``. Equal inputs yield equal bytes.

    Arrays of ``uint8`` (the bytes of a file) are written unchanged, and all other arrays as ``float32``.
    """
    from safetensors.numpy import save

    # Use a single metadata entry, because safetensors does not write several entries in a fixed order.
    metadata = {entry: json.dumps(about, sort_keys=True)}
    stored = {
        name: np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)
        for name, array in arrays.items()
    }
    return save(stored, metadata=metadata)


def arrays_from_bytes(data: bytes, entry: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the JSON entry that `arrays_to_bytes` wrote. Call this function within `expected`."""
    from safetensors.numpy import load

    arrays = load(data)
    if nan := [name for name, array in arrays.items() if np.isnan(array).any()]:
        raise ValueError(f"{nan[0]} contains NaN")
    metadata, _, _ = read_header(io.BytesIO(data))
    return arrays, json.loads(metadata[entry])


def read_header(file: IO[bytes]) -> tuple[dict[str, str], dict[str, ArrayEntry], int]:
    """Read the header of a safetensors file.

    The library provides neither the metadata of bytes in memory nor the file offset of an array.

    Returns:
        The metadata, the arrays by name, and the byte offset of the data.

    Raises:
        ValueError: the header is invalid, or does not match the size of the file.
    """
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= min(MAX_HEADER_BYTES, total - 8):
        raise ValueError(f"the header has an invalid size of {size:,} bytes")
    try:
        header = json.loads(file.read(size))
        metadata = header.pop("__metadata__", {})
        entries = {name: _entry(value, total - 8 - size) for name, value in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the header is invalid: {type(error).__name__}") from error
    if not isinstance(metadata, dict):
        raise ValueError("the metadata in the header are invalid")
    return metadata, entries, 8 + size


def _entry(value: Mapping[str, Any], available: int) -> ArrayEntry:
    start, end = value["data_offsets"]
    entry = ArrayEntry(value["dtype"], tuple(value["shape"]), start, end)
    numbers = (start, end, *entry.shape)
    if not isinstance(entry.dtype, str) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        raise TypeError
    if not start <= end <= available:
        raise ValueError
    if entry.dtype in MAPPED and math.prod(entry.shape) * np.dtype(MAPPED[entry.dtype]).itemsize != end - start:
        raise ValueError
    return entry


@contextmanager
def expected(what: str) -> Iterator[None]:
    """Raise `BadRun` if reading ``what`` from bytes fails within the context.

    Libraries raise many kinds of errors for corrupted files.

    Args:
        what: description of the expected content, for the message.
    """
    try:
        yield
    except Exception as error:
        raise BadRun(
            f"{what} was expected, but the file is corrupted or has a different format.",
            hint="Run `probing run` to recompute it.",
        ) from error
