"""Whether two pipelines give the same embeddings of the golden pictures."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.parity.beforehand import PictureSteps
from probing_core.compute.parity.comparison import (
    Differences,
    Embed,
    Finding,
    Side,
    alterations,
    as_far_as,
    cosines,
    differences,
    mean_distance,
    reference,
    shifts,
)
from probing_core.compute.parity.pictures import PHOTOGRAPH, GoldenPicture, golden_pictures
from probing_core.compute.parity.steps import AnySteps, Steps
from probing_core.errors import BadArray, BadConfig, ModelUnavailable, one_line
from probing_core.images import Image, encode_png
from probing_core.models import load_embedder
from probing_core.models.base import LoadedEmbedder, Preprocessing
from probing_core.models.providers import onnx
from probing_core.paths import user_path
from probing_core.run.atomic import write_atomically
from probing_core.run.progress import SILENT, Progress

TOLERANCE = 0.01
"""Shift up to which embeddings are alike: less than the faintest alteration makes."""

LIST = "pictures.csv"
"""The list of the golden pictures, beside them; vectors that come back without names are in its order."""

VECTORS = (".npy", ".safetensors", ".parquet")
"""Endings of files of vectors."""

PATHS = "paths"
"""Name of the parameter of a function that decodes the files itself."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""In which a named network is tried."""

Pipeline = str | Path | np.ndarray | LoadedEmbedder | Callable[[Sequence[Any]], np.ndarray]
"""What `parity` compares."""


@dataclass(frozen=True, eq=False)
class Parity:
    """What `parity` found.

    Attributes:
        a, b: names of the two pipelines.
        pictures: one row a golden picture: ``picture``, ``kind``, ``shift`` (distance of its two embeddings in units of
            the mean distance between two photographs; infinite where one is not finite), ``cosine``, ``as_far_as``
            (the faintest alteration that moves as far).
        scale: ``alteration``, and ``shift``, how far it moves photographs on average, faintest
            first; empty where neither pipeline can be called.
        findings: which steps differ.
        left: the largest shift that remains where these steps are made alike.
        tolerance: the largest shift of pipelines that are alike.
        untried: why no step was tried, in a sentence; empty where steps were.
        notes: what a reader must know besides, a sentence each.
    """

    a: str
    b: str
    pictures: pd.DataFrame = field(repr=False)
    scale: pd.DataFrame = field(repr=False)
    findings: tuple[Finding, ...]
    left: float
    tolerance: float
    untried: str = ""
    notes: tuple[str, ...] = ()

    @property
    def alike(self) -> bool:
        """True if no picture is moved by more than the tolerance."""
        return self.largest <= self.tolerance

    @property
    def largest(self) -> float:
        """The largest shift of a picture."""
        return float(self.pictures["shift"].max())

    @property
    def shift(self) -> float:
        """The mean shift of the photographs."""
        return float(self.pictures.loc[self.pictures["kind"] == PHOTOGRAPH, "shift"].mean())

    @property
    def as_far_as(self) -> str:
        """The faintest alteration that moves photographs as far; empty where none does."""
        return as_far_as(self.shift, self.scale)


def parity(
    a: Pipeline,
    b: Pipeline,
    *,
    tolerance: float = TOLERANCE,
    device: str = "auto",
    precision: str = "float32",
    progress: Progress = SILENT,
) -> Parity:
    """Tell whether two pipelines give the same embeddings of the golden pictures, and which step differs.

    Args:
        a: name of a model, or one that `load_embedder` loaded; ``onnx:PATH``, preprocessed as the other one where no
            preprocessing lies beside it; a function: images (H, W, 3) ``uint8`` -> (N, D), or, where its parameter is
            called ``paths``, paths of files -> (N, D); a file of vectors of the pictures that `write_golden` wrote
            (``.npy``, ``.safetensors`` with a tensor ``embeddings``, ``.parquet``); or these vectors as an array (N, D)
            in the order of the list.
        b: the other one, likewise.
        tolerance: the largest shift of pipelines that are alike, in units of the mean distance between two photographs.
        device: of named models, as in `load_embedder`.
        precision: of named models, likewise.
        progress: what the work reports to.

    Raises:
        ProbingError: a pipeline cannot be used, or their embeddings differ in length.
    """
    if not 0 <= tolerance < np.inf:
        raise BadConfig(f"A tolerance is a shift, 0 or more; got {tolerance}.")
    pictures = golden_pictures()
    images = [picture.decode() for picture in pictures]
    load = _Loader(pictures, images, device, precision)
    sides = []
    for place, (pipeline, other) in enumerate(((a, b), (b, a))):
        progress.update("parity", place, 4, "Embedding golden pictures")
        sides.append(load.side(pipeline, other, "AB"[place]))
    first, second = sides
    if first.vectors.shape != second.vectors.shape:
        raise BadArray(
            f"'{first.name}' gives {first.vectors.shape[1]} numbers a picture and '{second.name}' "
            f"{second.vectors.shape[1]}: embeddings of different models or layers, which no distance compares."
        )
    kinds = np.array([picture.kind for picture in pictures])
    known, beside = reference(first, second, kinds)
    unit = mean_distance(known.vectors, kinds)
    progress.update("parity", 2, 4, "Altering photographs")
    scale = pd.DataFrame({"alteration": pd.Series(dtype=str), "shift": pd.Series(dtype=float)})
    if known.embed is not None:
        scale = alterations(known, [images[i] for i in np.flatnonzero(kinds == PHOTOGRAPH)], unit)
    shift = shifts(first.vectors, second.vectors, unit)
    progress.update("parity", 3, 4, "Comparing steps")
    found = differences(known, beside, pictures, images, unit, tolerance) if shift.max() > 0 else Differences()
    progress.update("parity", 4, 4, "Comparing steps")
    table = _table(pictures, shift, cosines(first.vectors, second.vectors), scale)
    notes = tuple(load.notes)
    return Parity(first.name, second.name, table, scale, found.findings, found.left, tolerance, found.untried, notes)


def _table(
    pictures: Sequence[GoldenPicture], shift: np.ndarray, cosine: np.ndarray, scale: pd.DataFrame
) -> pd.DataFrame:
    """Return `Parity.pictures`."""
    return pd.DataFrame(
        {
            "picture": [picture.name for picture in pictures],
            "kind": [picture.kind for picture in pictures],
            "shift": shift,
            "cosine": cosine,
            "as_far_as": [as_far_as(one, scale) for one in shift],
        }
    )


def write_golden(folder: Path) -> int:
    """Write the golden pictures and their list into ``folder``, for a pipeline that lives elsewhere.

    Returns:
        How many they are.

    Raises:
        BadConfig: the folder holds something else.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / LIST).is_file() or not any(folder.iterdir()))):
        raise BadConfig(f"'{folder}' holds other files; name a new folder for the golden pictures.")
    pictures = golden_pictures()
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        write_atomically(folder / picture.name, picture.data)
    rows = pd.DataFrame({"file": [p.name for p in pictures], "kind": [p.kind for p in pictures]})
    write_atomically(folder / LIST, rows.to_csv(index=False).encode())
    return len(pictures)


class _Loader:
    """Makes sides of what a user names."""

    def __init__(self, pictures: Sequence[GoldenPicture], images: Sequence[Image], device: str, precision: str) -> None:
        self.pictures, self.images, self.device, self.precision = pictures, images, device, precision
        self.loaded: dict[str, LoadedEmbedder] = {}
        self.notes: list[str] = []

    def side(self, pipeline: Pipeline, other: Pipeline, letter: str) -> Side:
        """Return one side; ``letter`` names it where nothing else does."""
        if isinstance(pipeline, np.ndarray):
            return Side(letter, self._checked(pipeline, letter))
        if isinstance(pipeline, LoadedEmbedder):
            return self._of_embedder(pipeline.name, pipeline)
        if callable(pipeline):
            return self._called(pipeline, f"{letter} ({getattr(pipeline, '__name__', 'function')})")
        text = str(pipeline)
        if text.endswith(VECTORS):
            names = [picture.name for picture in self.pictures]
            return Side(text, self._checked(read_vectors(user_path(text), names), text))
        return self._of_embedder(text, self._embedder(text, other))

    def _checked(self, vectors: Any, name: str) -> np.ndarray:
        found = np.asarray(vectors)
        if found.ndim != 2 or len(found) != len(self.pictures) or not found.shape[1] or found.dtype.kind not in "fiub":
            raise BadArray(
                f"'{name}' was to give one row of numbers for each of {len(self.pictures)} golden pictures, (N, D); "
                f"got {found.dtype} of the shape {found.shape}."
            )
        with np.errstate(over="ignore"):
            return found.astype(np.float32)

    def _called(self, function: Callable[[Sequence[Any]], np.ndarray], name: str) -> Side:
        if next(iter(inspect.signature(function).parameters), "") == PATHS:
            return self._called_with_paths(function, name)

        def embed(steps: AnySteps, images: Sequence[Image]) -> np.ndarray:
            return np.asarray(function(_pictures(steps, images)), np.float32)

        return Side(name, self._checked(function(list(self.images)), name), PictureSteps(), embed)

    def _called_with_paths(self, function: Callable[[Sequence[Path]], np.ndarray], name: str) -> Side:
        def on_files(files: Mapping[str, bytes]) -> np.ndarray:
            with tempfile.TemporaryDirectory() as folder:
                for file, data in files.items():
                    (Path(folder) / file).write_bytes(data)
                return function([Path(folder) / file for file in files])

        def embed(steps: AnySteps, images: Sequence[Image]) -> np.ndarray:
            made = _pictures(steps, images)
            return np.asarray(on_files({f"{i}.png": encode_png(one) for i, one in enumerate(made)}), np.float32)

        vectors = self._checked(on_files({picture.name: picture.data for picture in self.pictures}), name)
        return Side(name, vectors, PictureSteps(), embed, decodes=True)

    def _of_embedder(self, name: str, embedder: LoadedEmbedder) -> Side:
        if not embedder.embeds_pictures:
            raise BadConfig(f"'{name}' holds embeddings of a run's samples; name a file of vectors of golden pictures.")
        vectors, preprocessing = self._checked(embedder.embed(self.images), name), embedder.known_preprocessing
        if preprocessing is None:
            return Side(name, vectors, PictureSteps(), lambda steps, images: embedder.embed(_pictures(steps, images)))
        rounded: Mapping[str, Callable[[], Embed]] = {}
        if not isinstance(embedder, onnx.OnnxEmbedder):
            rounded = {p: partial(self._rounded, name, p) for p in PRECISIONS if p != embedder.precision}
        return Side(name, vectors, Steps(preprocessing), partial(_embed_batch, embedder), rounded=rounded)

    def _rounded(self, name: str, precision: str) -> Embed:
        return partial(_embed_batch, load_embedder(name, device=self.device, precision=precision))

    def _embedder(self, name: str, other: Pipeline | None) -> LoadedEmbedder:
        text = name if name.startswith("onnx:") or not name.endswith(onnx.SUFFIX) else f"onnx:{name}"
        if text not in self.loaded:
            path = user_path(text.removeprefix("onnx:")) if text.startswith("onnx:") else None
            if path is None or not path.is_file() or onnx.states_preprocessing(path):
                self.loaded[text] = load_embedder(text, device=self.device, precision=self.precision)
            else:
                preprocessing = self._preprocessing_of(other) or onnx.read_preprocessing(path)
                self.loaded[text] = onnx.OnnxEmbedder(text, path, preprocessing)
                self.notes.append(f"{path.name} is preprocessed as {other}, since no preprocessing lies beside it.")
        return self.loaded[text]

    def _preprocessing_of(self, other: Pipeline | None) -> Preprocessing | None:
        if isinstance(other, str) and not other.endswith((*VECTORS, onnx.SUFFIX)):
            other = self._embedder(other, None)
        return other.known_preprocessing if isinstance(other, LoadedEmbedder) else None


def _pictures(steps: AnySteps, images: Sequence[Image]) -> list[Image]:
    assert isinstance(steps, PictureSteps)
    return steps.pictures(images)


def _embed_batch(embedder: LoadedEmbedder, steps: AnySteps, images: Sequence[Image]) -> np.ndarray:
    assert isinstance(steps, Steps)
    if steps.preprocessing.resize == "none":  # pictures of several sizes are no batch
        return np.concatenate([embedder.embed_batch(steps.batch([image])) for image in images])
    return embedder.embed_batch(steps.batch(images))


def read_vectors(path: Path, names: Sequence[str]) -> np.ndarray:
    """Return the vectors (N, D) that lie in ``path``, in the order of ``names``.

    A matrix (``.npy``, ``.safetensors``) has the names of its rows beside it, in ``<same name>.csv``, column ``file``,
    or, a name a line, in ``<same name>.txt``; without these its rows are in the order of ``names``. Parquet has the
    column ``file``, and ``embedding`` or one numeric column a dimension.

    Raises:
        ModelUnavailable: it cannot be read, or pictures are missing or repeated.
    """
    if not path.is_file():
        raise ModelUnavailable(
            f"There is no file of vectors '{path}'; `probing parity --write DIR` writes the pictures."
        )
    try:
        listed, matrix = _read_table(path) if path.suffix == ".parquet" else _read_matrix(path)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(f"'{path}' could not be read as vectors: {one_line(error)[:300]}.") from error
    if listed is None:
        return matrix
    rows = pd.Index([Path(str(name).replace("\\", "/")).name for name in listed])
    if rows.has_duplicates or len(rows) != len(matrix):
        raise ModelUnavailable(
            f"'{path}' has {len(matrix)} rows and {rows.nunique()} names; one row a picture is needed."
        )
    places = rows.get_indexer(pd.Index(names))
    if (places < 0).any():
        raise ModelUnavailable(
            f"'{path}' has no vector of {int((places < 0).sum())} of {len(names)} golden pictures, such as "
            f"{names[int(np.argmin(places))]}; `probing parity --write DIR` writes all of them."
        )
    return matrix[places]


def _read_table(path: Path) -> tuple[list[str], np.ndarray]:
    table = pd.read_parquet(path)
    if "file" not in table:
        raise ModelUnavailable(f"'{path}' lacks the column 'file', the name of the picture of each row.")
    if "embedding" in table:
        return list(table["file"]), np.stack(table["embedding"].to_list())
    return list(table["file"]), table.drop(columns=["file", "kind"], errors="ignore").to_numpy()


def _read_numbers(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    from safetensors.numpy import load_file

    arrays = load_file(path)
    if "embeddings" not in arrays:
        raise ModelUnavailable(f"'{path}' has no tensor 'embeddings'; there are: {', '.join(arrays) or 'none'}.")
    return arrays["embeddings"]


def _read_matrix(path: Path) -> tuple[list[str] | None, np.ndarray]:
    matrix = _read_numbers(path)
    table, lines = path.with_suffix(".csv"), path.with_suffix(".txt")
    if table.is_file():
        listed = pd.read_csv(table, dtype=str, keep_default_na=False)
        if "file" not in listed:
            raise ModelUnavailable(f"'{table}' lacks the column 'file', the name of the picture of each row.")
        return list(listed["file"]), matrix
    if lines.is_file():
        return lines.read_text(encoding="utf-8").split("\n")[: len(matrix)], matrix
    return None, matrix
