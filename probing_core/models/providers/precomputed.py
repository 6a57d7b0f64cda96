"""``file:<path>``: embeddings that were computed elsewhere, looked up by sample.

Parquet holds everything in one table: ``image_id``, ``transform``, ``repetition``, ``draw`` where there is one, and the
vector as one list column ``embedding`` or as one numeric column a dimension. ``.npy`` and ``.safetensors`` (tensor
``embeddings``) hold the matrix (N, D); the same columns, row by row, lie beside it in ``<same name>.csv`` or
``.parquet``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.errors import BadArray, BadConfig, ModelUnavailable, one_line
from probing_core.models.base import EmbedderSpec, LoadedEmbedder
from probing_core.models.names import ModelName, refuse_options
from probing_core.models.weights import spec_of_file
from probing_core.paths import user_path
from probing_core.transforms.base import Image

PREFIXES = ("file",)

KEY = ["image_id", "transform", "repetition", "draw"]
LISTED = [*KEY, "file", "sample", "base_id", "label", "split", "group", "strength"]
"""Columns of a list of samples; none of them is taken for a dimension."""

MATRICES = (".npy", ".safetensors")


class PrecomputedEmbedder(LoadedEmbedder):
    """Embeddings that were computed before.

    Args:
        keys: columns of `KEY`, one row a sample.
        matrix: (N, D), row for row.
        digest: of all of it.
        source: where they are from, for messages.

    Raises:
        ModelUnavailable: rows are repeated or not finite.
    """

    embeds_pictures = False

    def __init__(self, name: str, keys: pd.DataFrame, matrix: np.ndarray, digest: str, source: str) -> None:
        self.name, self._matrix, self._digest = name, matrix, digest
        self.dim = matrix.shape[1]
        self._rows = pd.MultiIndex.from_frame(keys[KEY])
        if not self._rows.is_unique:
            twice = self._rows[self._rows.duplicated()][0]
            raise ModelUnavailable(f"{source} has several rows for {_words(twice)}; one row a sample is expected.")
        if not np.isfinite(matrix).all():
            raise ModelUnavailable(f"{source} holds values that are not finite numbers; embed these samples again.")

    def lookup(
        self, image_ids: Sequence[str], transforms: Sequence[str], repetitions: Sequence[int], draws: Sequence[int]
    ) -> np.ndarray:
        """Return the embeddings (N, D) ``float32`` of the named samples.

        Raises:
            ModelUnavailable: the file has no row for some of them; the first is named.
        """
        columns: Any = [image_ids, transforms, repetitions, draws]
        wanted = pd.MultiIndex.from_arrays(columns, names=KEY)
        rows = self._rows.get_indexer(wanted)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise ModelUnavailable(
                f"'{self.name}' has no embedding for {len(missing)} of {len(rows)} samples, such as "
                f"{_words(wanted[missing[0]])}; embed them too."
            )
        return np.ascontiguousarray(self._matrix[rows], np.float32)

    def embed_samples(self, images: Sequence[Image], samples: pd.DataFrame) -> Mapping[str, np.ndarray]:
        return {self.name: self.lookup(*(samples[column].tolist() for column in KEY))}

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        raise BadConfig(f"'{self.name}' holds embeddings of a run's samples and cannot embed other pictures.")

    def recipe(self) -> dict[str, Any]:
        return {"file": self._digest}


def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> PrecomputedEmbedder:
    """Read precomputed embeddings.

    Raises:
        ModelUnavailable: the file or its list cannot be read, or rows are missing, repeated or not finite.
    """
    refuse_options(spec.name, options)
    path = user_path(ModelName(spec.name).model)
    return PrecomputedEmbedder(spec.name, *_read(path), _digest(path), f"'{path}'")


def make_spec(name: ModelName) -> EmbedderSpec:
    """Return the spec of a file of embeddings."""
    return spec_of_file(name, "precomputed", load)


def from_array(name: str, matrix: np.ndarray, samples: pd.DataFrame) -> EmbedderSpec:
    """Return the spec of embeddings in memory.

    Args:
        matrix: (N, D).
        samples: row for row, with the columns of `KEY`.

    Raises:
        BadArray: ``matrix`` is no array (N, D) of finite numbers.
    """
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or len(matrix) != len(samples) or not matrix.shape[1]:
        raise BadArray(
            f"Embeddings of samples are one row a sample, ({len(samples)}, D), of numbers; got {matrix.dtype} of the "
            f"shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise BadArray(
            f"{np.count_nonzero(~np.isfinite(matrix).all(1))} of {len(matrix)} embeddings hold values that are not "
            f"finite numbers (NaN or infinity); embed these samples again."
        )
    digest = hashlib.sha256(matrix.tobytes()).hexdigest()

    def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> PrecomputedEmbedder:
        refuse_options(name, options)
        return PrecomputedEmbedder(name, samples, matrix, digest, "the array")

    return EmbedderSpec(
        name=name,
        family="precomputed",
        objective="unknown",
        dim=matrix.shape[1],
        license="unknown",
        weights="an array in memory",
        loader=load,
    )


def _read(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Read a file of embeddings: (columns of `KEY`, matrix (N, D))."""
    try:
        if path.suffix == ".parquet":
            return _split_table(pd.read_parquet(path), path)
        if path.suffix not in MATRICES:
            raise ModelUnavailable(f"'{path}' is not .parquet, {' or '.join(MATRICES)}.")
        matrix = read_matrix(path)
        lists = [path.with_suffix(suffix) for suffix in (".csv", ".parquet")]
        beside = next((file for file in lists if file.is_file()), None)
        if beside is None:
            raise ModelUnavailable(f"'{path}' needs a list of its rows beside it: {lists[0].name} with {_columns()}.")
        keys = _keys(_read_csv(beside) if beside.suffix == ".csv" else pd.read_parquet(beside), beside)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(f"'{path}' could not be read as embeddings: {one_line(error)[:300]}.") from error
    if matrix.ndim != 2 or len(matrix) != len(keys):
        raise ModelUnavailable(
            f"'{path}' has the shape {matrix.shape}, but {beside.name} lists {len(keys)} rows; (N, D) is expected."
        )
    if matrix.dtype.kind not in "biuf":
        raise ModelUnavailable(f"'{path}' holds values of the type {matrix.dtype}; numbers are expected.")
    return keys, matrix


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a list whose names stay text: "007" is no number, "nan" is not missing."""
    names = {"image_id": str, "transform": str}
    return pd.read_csv(path, dtype=names, keep_default_na=False)


def read_matrix(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    from safetensors.numpy import load_file

    arrays = load_file(path)
    if "embeddings" not in arrays:
        raise ModelUnavailable(f"'{path}' has no tensor 'embeddings'; there are: {', '.join(arrays) or 'none'}.")
    return arrays["embeddings"]


def _split_table(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    keys = _keys(table, path)
    if "embedding" in table.columns:
        return keys, np.stack(table["embedding"].to_list()).astype(np.float32)
    numbers = table.drop(columns=LISTED, errors="ignore").select_dtypes("number")
    if numbers.shape[1] == 0:
        raise ModelUnavailable(f"'{path}' has neither a column 'embedding' nor numeric columns for the dimensions.")
    return keys, numbers.to_numpy(np.float32)


def _keys(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    missing = [column for column in KEY[:3] if column not in table.columns]
    if missing:
        raise ModelUnavailable(f"'{path}' lacks the columns {', '.join(missing)}; expected are {_columns()}.")
    keys = table.assign(draw=table["draw"] if "draw" in table.columns else 0)[KEY]
    return keys.astype({"image_id": str, "transform": str, "repetition": int, "draw": int}).reset_index(drop=True)


def _columns() -> str:
    return f"{', '.join(KEY[:3])} and, where identity is drawn twice, {KEY[3]}"


def _words(key: Any) -> str:
    return ", ".join(f"{column} {value}" for column, value in zip(KEY, key, strict=True))


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    for file in (path, path.with_suffix(".csv"), path.with_suffix(".parquet")):
        if file.is_file():
            with file.open("rb") as stream:
                sha.update(hashlib.file_digest(stream, "sha256").digest())
    return sha.hexdigest()
