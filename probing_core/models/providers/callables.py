"""Models from Python objects: functions, networks with their preprocessing, and precomputed embeddings.

After ``register(from_callable("mine/statistics", function))``, the name can be used like any other model name in this
process.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image as pillow

from probing_core.errors import BadArray, BadConfig
from probing_core.images import read_image, to_images
from probing_core.models.embedder import EmbedderSpec, LoadedEmbedder
from probing_core.models.model_names import ModelName, refuse_options
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing, make_batch
from probing_core.models.processor import resolve_device
from probing_core.transforms.transformation import Image
from probing_core.transforms.view import central_square

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from torch import nn

Function = Callable[[Sequence[Image]], np.ndarray]
"""Function that maps images of any size to embeddings (N, D)."""

UNSTEADY = "differ from call to call"
"""Value that is stored instead of a digest for nondeterministic functions."""

PROBED_PHOTOGRAPHS = ("chelsea.png", "coffee.png", "astronaut.png")
"""File names of scikit-image photographs, used to identify functions. The first photograph is not square."""


class CallableEmbedder(LoadedEmbedder):
    """Model that calls a function. The function is identified by its embeddings of fixed images."""

    def __init__(self, name: str, function: Function, dim: int | None = None, batch_size: int | None = None) -> None:
        self.name, self._function = name, function
        if batch_size is not None:
            if batch_size < 1:
                raise BadConfig(f"batch_size must be at least 1, got {batch_size}.")
            self.batch_size = batch_size
        self.dim = dim or 0
        if not self.dim:
            self.dim = self._called(_fixed_pictures()[0][:1]).shape[1]

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        listed = list(to_images(images))
        batches = [listed[i : i + self.batch_size] for i in range(0, len(listed), self.batch_size)]
        parts = [self._called(batch) for batch in batches]
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def recipe(self) -> dict[str, Any]:
        return {"answers": self._answers, "batch_size": self.batch_size}

    @cached_property
    def _answers(self) -> str:
        first, *other_pictures = _fixed_pictures()
        answers = self.embed(first)
        if not np.array_equal(answers, self.embed(_fixed_pictures()[0])):
            return UNSTEADY
        sha = hashlib.sha256(answers.tobytes())
        for pictures in other_pictures:
            try:
                sha.update(self.embed(pictures).tobytes())
            except Exception as error:  # the function may support only one image size
                sha.update(type(error).__name__.encode())
        return sha.hexdigest()

    def _called(self, images: list[Image]) -> np.ndarray:
        return rows_of(f"'{self.name}'", self._function(images), len(images), self.dim)


def to_numpy(values: Any) -> np.ndarray:
    """Convert an array, a tensor of any type and device, or a list of these to a NumPy array.

    Raises:
        ValueError: the values in a list have different shapes.
    """
    if hasattr(values, "detach"):  # NumPy does not support all types of tensors
        values = values.detach()
        return (values.float() if values.is_floating_point() else values).cpu().numpy()
    if isinstance(values, list | tuple):
        values = [to_numpy(value) if hasattr(value, "detach") else value for value in values]
    return np.asarray(values)


def rows_of(source: str, result: Any, count: int, dim: int = 0) -> np.ndarray:
    """Convert ``result``, an array or tensor from ``source``, to embeddings (N, D) ``float32`` of ``count`` images.

    Raises:
        BadArray: ``result`` has the wrong shape, or contains values that are not finite numbers.
    """
    try:
        matrix = to_numpy(result)
        got = f"an array of shape {matrix.shape}" if matrix.dtype.kind in "biuf" else f"values of type {matrix.dtype}"
    except ValueError:
        matrix, got = np.empty(0, object), "rows of different lengths"
    if matrix.dtype.kind not in "biuf" or matrix.ndim != 2 or len(matrix) != count or not matrix.shape[1]:
        raise BadArray(
            f"{source} returned {got} for {count} image{'s' * (count != 1)}. "
            f"Return a numeric array with one row per image, ({count}, {dim or 'D'})."
        )
    if dim and matrix.shape[1] != dim:
        raise BadArray(
            f"{source} returned embeddings of dimension {matrix.shape[1]} instead of {dim}. The dimension must be the "
            f"same in every call."
        )
    with np.errstate(over="ignore"):  # values that are too large are rejected below
        rows = matrix.astype(np.float32, copy=False)
    if not np.isfinite(rows).all():
        raise BadArray(
            f"{source} returned values that are not finite numbers in float32 (NaN, infinity, too large) for "
            f"{np.count_nonzero(~np.isfinite(rows).all(1))} of {count} images. Check its output for these images."
        )
    return rows


def _fixed_pictures() -> tuple[list[Image], ...]:
    """Return images grouped by size, as new arrays in each call, because functions may modify their input."""
    folder = importlib.util.find_spec("skimage").submodule_search_locations[0]  # type: ignore[union-attr, index]
    photographs = [read_image(Path(folder, "data", name)) for name in PROBED_PHOTOGRAPHS]
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    slope = np.broadcast_to(np.arange(128, dtype=np.uint8)[:, None, None] * 2, noise.shape)

    def squares(side: int) -> list[Image]:
        return [
            cv2.resize(central_square(photograph), (side, side), interpolation=cv2.INTER_AREA)
            for photograph in photographs
        ]

    return [noise, np.ascontiguousarray(slope), *squares(128)], squares(224)[:2], photographs[:1]


def from_callable(
    name: str, function: Function, dim: int | None = None, *, batch_size: int | None = None
) -> EmbedderSpec:
    """Create a model spec for a function that maps images of any size to an array or tensor (N, D) of embeddings.

    Args:
        dim: embedding dimension (D); by default, determined by calling the function.
        batch_size: maximum number of images per call; by default 64.
    """

    def load(model_name: ModelName, device: str, precision: str) -> CallableEmbedder:
        refuse_options(name, model_name.options)
        return CallableEmbedder(name, function, dim, batch_size)

    return EmbedderSpec(name=name, family="callable", dim=dim, weights="in memory", loader=load)


def module_function(
    module: nn.Module, preprocess: Preprocessing | Callable[[Any], torch.Tensor], device: str = "auto"
) -> Function:
    """Return a function that computes embeddings (N, D) of images with ``module`` in eval mode, without gradients.

    Args:
        preprocess: `Preprocessing`, or a function that maps a Pillow image to a tensor (C, H, W), such as the
            transforms of torchvision, timm and open_clip.
        device: as in `load_embedder`, but ``auto`` is the current device of the network. The network is moved back
            after each call.
    """

    def embed(images: Sequence[Image]) -> np.ndarray:
        import torch

        target = device_of(module) if device == "auto" else resolve_device(device)
        batch = batch_of(images, preprocess)
        with _evaluating(module, target), torch.inference_mode():
            output = module(batch.to(target))
        if not isinstance(output, torch.Tensor):
            raise BadConfig(
                f"The network returned {type(output).__name__} instead of a tensor (N, D). Pass a function that "
                f"returns the embeddings of a list of images."
            )
        return output.float().cpu().numpy()

    return embed


def batch_of(images: Sequence[Image], preprocess: Preprocessing | Callable[[Any], torch.Tensor]) -> torch.Tensor:
    """Preprocess images into a batch (N, C, H, W)."""
    import torch

    if isinstance(preprocess, Preprocessing):
        return torch.from_numpy(make_batch(images, preprocess)).permute(0, 3, 1, 2)
    prepared = [preprocess(pillow.fromarray(image)) for image in images]
    if not all(isinstance(tensor, torch.Tensor) and tensor.shape == prepared[0].shape for tensor in prepared):
        types = (tuple(t.shape) if hasattr(t, "shape") else type(t).__name__ for t in prepared)
        shapes = sorted({str(t) for t in types})
        raise BadConfig(
            f"The preprocessing must return tensors (C, H, W) of the same shape for all images; got "
            f"{', '.join(shapes)}."
        )
    return torch.stack(prepared)


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a network; the CPU if it has no parameters or buffers."""
    import torch

    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))


@contextmanager
def _evaluating(module: nn.Module, device: torch.device) -> Iterator[None]:
    before, training = device_of(module), {part: part.training for part in module.modules()}
    try:
        module.eval()
        if before != device:
            module.to(device)
        yield
    finally:
        for part, mode in training.items():
            part.training = mode
        if before != device:
            module.to(before)


class ArrayEmbedder(LoadedEmbedder):
    """Precomputed embeddings of the samples of a run."""

    embeds_pictures = False

    def __init__(self, name: str, matrix: np.ndarray, samples: pd.DataFrame, digest: str) -> None:
        self.name, self._matrix, self._digest = name, matrix, digest
        self.dim = matrix.shape[1]
        self._rows = _keys(samples)

    def embed_samples(self, images: Sequence[Image], samples: pd.DataFrame) -> Mapping[str, np.ndarray]:
        rows = self._rows.get_indexer(_keys(samples))
        if (rows < 0).any():
            raise BadArray(f"'{self.name}' has no embedding for {(rows < 0).sum()} of {len(rows)} samples of the run.")
        return {self.name: np.ascontiguousarray(self._matrix[rows], np.float32)}

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        raise BadConfig(f"'{self.name}' contains precomputed embeddings of a run and cannot embed other images.")

    def recipe(self) -> dict[str, Any]:
        return {"file": self._digest}


def _keys(samples: pd.DataFrame) -> pd.MultiIndex:
    import pandas as pd

    return pd.MultiIndex.from_frame(samples[["image_id", "transform", "repetition", "draw"]])


def from_array(name: str, matrix: np.ndarray, samples: pd.DataFrame) -> EmbedderSpec:
    """Create a model spec for precomputed embeddings in memory.

    Args:
        matrix: embeddings (N, D).
        samples: one row per embedding, with the columns image_id, transform, repetition and draw.
    """
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or len(matrix) != len(samples) or not matrix.shape[1]:
        raise BadArray(
            f"Embeddings of samples must be a numeric array with one row per sample, ({len(samples)}, D); got "
            f"{matrix.dtype} with shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise BadArray(
            f"{np.count_nonzero(~np.isfinite(matrix).all(1))} of {len(matrix)} embeddings contain values that are not "
            f"finite numbers (NaN or infinity). Embed these samples again."
        )
    digest = hashlib.sha256(matrix.tobytes()).hexdigest()

    def load(model_name: ModelName, device: str, precision: str) -> ArrayEmbedder:
        refuse_options(name, model_name.options)
        return ArrayEmbedder(name, matrix, samples, digest)

    return EmbedderSpec(name=name, family="precomputed", dim=matrix.shape[1], weights="an array in memory", loader=load)


def from_module(
    name: str, module: nn.Module, preprocessing: Preprocessing, blocks: Sequence[nn.Module] = ()
) -> EmbedderSpec:
    """Create a model spec for a network in memory that maps batches (N, 3, H, W) to embeddings (N, D).

    Args:
        blocks: modules whose outputs ``@layer=`` pools, first to last.
    """

    def load(model_name: ModelName, device: str, precision: str) -> NetworkEmbedder:
        network = Network(
            module=module,
            embed=module,
            pooling="the module's own",
            blocks=blocks,
            details={"module": f"{type(module).__module__}.{type(module).__qualname__}"},
        )
        return NetworkEmbedder(model_name.full, network, preprocessing, model_name.options, device, precision)

    return EmbedderSpec(name=name, family="module", weights="in memory", loader=load)
