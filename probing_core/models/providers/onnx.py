"""``onnx:<file.onnx>``: a network exported to ONNX, with its preprocessing in a JSON file in the same folder.

ONNX files do not describe the preprocessing, so ``<same name>.json`` contains the fields of `Preprocessing`. The ONNX
file specifies the input layout (channels first or last), the type and, if fixed, the size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from probing_core.errors import ModelUnavailable, one_line
from probing_core.images import to_images
from probing_core.models.embedder import Availability, EmbedderSpec, LoadedEmbedder
from probing_core.models.model_names import ModelName, refuse_options
from probing_core.models.preprocessing import Preprocessing, make_batch
from probing_core.paths import user_path
from probing_core.transforms.transformation import Image

PREFIXES = ("onnx",)

ONNX_SUFFIX = ".onnx"

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

HINT = '{"size": [224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}'


class OnnxEmbedder(LoadedEmbedder):
    """An ONNX network that onnxruntime runs on the CPU, in the precision of the file."""

    known_preprocessing: Preprocessing

    precision = "the file's own"

    def __init__(self, name: str, path: Path, preprocessing: Preprocessing) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # 8-bit networks then yield the same results on every machine (`probing_core.transforms.bank.style`).
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        self.name, self._path, self.known_preprocessing = name, path, preprocessing
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
            (self._input,) = self._session.get_inputs()
        except Exception as error:  # onnxruntime has its own errors, and several inputs raise ValueError
            raise ModelUnavailable(
                f"'{path}' is not a readable ONNX network with one input: {one_line(error)[:300]}."
            ) from error
        shape = list(self._input.shape)
        self._first = len(shape) == 4 and shape[1] == 3  # channels first
        if len(shape) != 4 or 3 not in (shape[1], shape[3]) or self._input.type not in TYPES:
            raise ModelUnavailable(
                f"The input of '{path}' is {self._input.type} of shape {shape}. Expected batches of color images in "
                f"float or float16, (N, 3, H, W) or (N, H, W, 3)."
            )
        fixed = tuple(shape[2:] if self._first else shape[1:3])
        if any(isinstance(has, int) and has != got for has, got in zip(fixed, preprocessing.size, strict=True)):
            raise ModelUnavailable(
                f"'{path}' requires images of {fixed[0]} x {fixed[1]} pixels, but its preprocessing yields "
                f"{preprocessing.size[0]} x {preprocessing.size[1]}. Correct the size in {facts_of(path).name}."
            )
        self._rows = shape[0] if isinstance(shape[0], int) else None
        self.batch_size = self._rows or 16
        self.dim = self._pass(np.zeros((1, *preprocessing.size, 3), np.float32)).shape[1]

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        pictures = list(to_images(images))
        batches = [pictures[i : i + self.batch_size] for i in range(0, len(pictures), self.batch_size)]
        rows = [self._pass(make_batch(batch, self.known_preprocessing)) for batch in batches]
        return np.concatenate(rows) if rows else np.empty((0, self.dim), np.float32)

    def _pass(self, batch: np.ndarray) -> np.ndarray:
        count = len(batch)
        if self._rows:  # pad to the fixed batch size
            batch = np.concatenate([batch, np.zeros((self._rows - count, *batch.shape[1:]), np.float32)])
        fed = np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if self._first else batch)
        try:
            output = np.asarray(self._session.run(None, {self._input.name: fed.astype(TYPES[self._input.type])})[0])
        except Exception as error:  # onnxruntime has its own errors
            raise ModelUnavailable(
                f"'{self._path}' cannot embed a batch of shape {fed.shape}: {one_line(error)[:300]}."
            ) from error
        if output.size == 0 or output.shape[0] != len(batch) or sum(side > 1 for side in output.shape[1:]) > 1:
            raise ModelUnavailable(
                f"The first output of '{self._path}' has shape {output.shape} for {len(batch)} images. Expected one "
                f"row per image, (N, D). Export the pooled embedding."
            )
        return output.reshape(len(output), -1)[:count].astype(np.float32)

    def recipe(self) -> dict[str, Any]:
        import onnxruntime

        return {
            "weights": hashlib.sha256(self._path.read_bytes()).hexdigest(),
            "preprocessing": self.known_preprocessing.to_json(),
            "pooling": "the network's own",
            "precision": self.precision,
            "device": self.device,
            "libraries": {"onnxruntime": onnxruntime.__version__},
        }


def load(name: ModelName, device: str, precision: str) -> OnnxEmbedder:
    refuse_options(name.base, name.options)
    path = user_path(name.model)
    return OnnxEmbedder(name.base, path, read_preprocessing(path))


def facts_of(path: Path) -> Path:
    """Return the path of the preprocessing file of the ONNX file ``path``. The preprocessing file may not exist."""
    return path.with_suffix(".json")


def read_preprocessing(path: Path) -> Preprocessing:
    facts = facts_of(path)
    if not facts.is_file():
        raise ModelUnavailable(
            f"The preprocessing of '{path.name}' is unknown. Create {facts.name} in the same folder, with "
            f"JSON such as {HINT}."
        )
    try:
        return Preprocessing(**json.loads(facts.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise ModelUnavailable(
            f"'{facts}' is not a valid preprocessing file ({one_line(error)[:200]}). Expected JSON such as {HINT}."
        ) from error


def make_spec(name: ModelName) -> EmbedderSpec:
    path = user_path(name.model)

    def check() -> Availability:
        return Availability(True) if path.is_file() else Availability(False, f"the file '{path}' does not exist")

    return EmbedderSpec(name=name.base, family="ONNX", weights=f"the file {path.name}", loader=load, check=check)
