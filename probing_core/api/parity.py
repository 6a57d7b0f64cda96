"""Comparison of two pipelines by their embeddings of the golden images."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from html import escape
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.arguments import TEXT, checked
from probing_core.corpora.golden_pictures import PHOTOGRAPH, GoldenPicture, golden_pictures
from probing_core.errors import BadArray, BadConfig, ModelUnavailable, one_line
from probing_core.images import Image, encode_png
from probing_core.measures.neighbors import unit as to_length_1
from probing_core.measures.notation import decimal, text_table
from probing_core.models import load_embedder
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.providers import onnx
from probing_core.models.providers.callables import to_numpy
from probing_core.paths import user_path
from probing_core.run.files import write_atomically
from probing_core.run.progress import SILENT, Progress
from probing_core.transforms import Transform, bank, generator

TOLERANCE = 0.01
"""Default maximum embedding shift at which two pipelines are considered to agree."""

FAINT_GROUPS = ("color", "tone", "blur", "noise", "codec")
"""Groups of transformations that a pipeline may unintentionally apply at a weak strength."""

LIST = "pictures.csv"
"""Name of the file that lists the golden images. Embeddings must be in the order of this list."""

VECTORS = ".npy"

PATHS = "paths"
"""Name of the first parameter of pipeline functions that receive file paths instead of decoded images."""

Pipeline = str | Path | np.ndarray | LoadedEmbedder | Callable[[Sequence[Any]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Parity:
    """Result of `parity`, with a readable `repr`.

    Attributes:
        a, b: names of the two pipelines.
        pictures: one row per golden image: ``picture``, ``kind``, ``shift`` (distance between its two embeddings in
            units of the mean distance between two photographs; infinite if an embedding is not finite), ``cosine``
            (similarity of the two embeddings) and ``as_far_as`` (the transformation in ``scale`` with the smallest
            shift that is at least ``shift``; empty if there is none or if ``shift`` is 0).
        scale: one row per transformation in `FAINT_GROUPS` at its weakest strength: ``alteration`` (its name) and
            ``shift`` (mean shift of the photographs), in ascending order of ``shift``. Empty if neither pipeline can
            be called.
        tolerance: maximum shift at which the pipelines are considered to agree.
        notes: additional remarks, such as preprocessing that was assumed.
    """

    a: str
    b: str
    pictures: pd.DataFrame = field(repr=False)
    scale: pd.DataFrame = field(repr=False)
    tolerance: float
    notes: tuple[str, ...] = ()

    @property
    def alike(self) -> bool:
        """Whether no embedding is shifted by more than the tolerance."""
        return self.largest <= self.tolerance

    @property
    def largest(self) -> float:
        """Largest embedding shift over all golden images."""
        return float(self.pictures["shift"].max())

    @property
    def shift(self) -> float:
        """Mean embedding shift over the photographs."""
        return float(self.pictures.loc[self.pictures["kind"] == PHOTOGRAPH, "shift"].mean())

    @property
    def as_far_as(self) -> str:
        """Transformation in `scale` with the smallest shift that is at least `shift`.

        Empty if there is none or if `shift` is 0.
        """
        return _as_far_as(self.shift, self.scale)

    def __str__(self) -> str:
        rows = self.pictures.assign(
            shift=self.pictures["shift"].map(_in_words), cosine=self.pictures["cosine"].round(4)
        )
        return f"{text_table(rows)}\n{self._summary}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self.pictures.to_html(index=False, border=0)}<p>{escape(self._summary)}</p>"

    @property
    def _summary(self) -> str:
        equivalent = f", similar to the shift due to {self.as_far_as} at its weakest strength" if self.as_far_as else ""
        return "\n".join(
            (
                *self.notes,
                f"{self.a} and {self.b} {'agree' if self.alike else 'differ'}: the largest embedding shift over "
                f"{len(self.pictures)} golden images is {_in_words(self.largest)} (tolerance "
                f"{decimal(self.tolerance)}). The mean shift of photographs is {_in_words(self.shift)} times the mean "
                f"distance between two photographs{equivalent}.",
            )
        )


def _in_words(shift: float) -> str:
    return "infinity" if shift == float("inf") else decimal(shift, 2)


@checked(device=TEXT, precision=TEXT)
def parity(
    a: Pipeline,
    b: Pipeline,
    *,
    tolerance: float = TOLERANCE,
    device: str = "auto",
    precision: str = "float32",
    progress: Progress = SILENT,
) -> Parity:
    """Compare two pipelines by their embeddings of the golden images.

    A shift is the distance between the two embeddings of one image, in units of the mean distance between two
    photographs.

    Examples:
        >>> probing_core.parity("baseline/dhash", "baseline/dhash").largest
        0.0

    Args:
        a: a model name or a model loaded by `load_embedder`; ``onnx:PATH``, with the preprocessing of ``b`` if the
            file specifies none; a function that maps N images (H, W, 3) ``uint8`` to (N, D) or, if its first parameter
            is called ``paths``, N file paths to (N, D); or embeddings (N, D) of the images written by `write_golden`,
            in the order of ``pictures.csv``, as an array or an ``.npy`` file.
        b: the second pipeline, in any of these forms.
        tolerance: maximum shift at which the pipelines are considered to agree.
        device: device for named models, as in `load_embedder`.
        precision: precision for named models, as in `load_embedder`.
        progress: object that receives progress updates.

    Raises:
        ProbingError: a pipeline cannot be used, or the embeddings of the two pipelines differ in dimension.
    """
    if not (isinstance(tolerance, Real) and 0 <= tolerance < np.inf):
        raise BadConfig(f"The tolerance must be finite and at least 0; got {tolerance}.")
    pictures = golden_pictures()
    images = [picture.decode() for picture in pictures]
    load = cache(partial(load_embedder, device=device, precision=precision))
    sides, notes = [], list[str]()
    for place, (pipeline, other) in enumerate(((a, b), (b, a))):
        progress.update("parity", place, 3, "Embedding golden images")
        name = str(pipeline) if isinstance(pipeline, str | Path) else "AB"[place]
        sides.append(_side(name, _opened(pipeline, other, load, notes), pictures, images))
    first, second = sides
    if first.vectors.shape != second.vectors.shape:
        raise BadArray(
            f"'{first.name}' has embedding dimension {first.vectors.shape[1]} and '{second.name}' has "
            f"{second.vectors.shape[1]}. Embeddings of different models or layers cannot be compared."
        )
    kinds = np.array([picture.kind for picture in pictures])
    # Unit and scale are computed with a pipeline that distinguishes photographs and, if possible, can be called.
    reference = min(sides, key=lambda side: (not _distances(side.vectors, kinds).any(), side.embed is None))
    gaps = _distances(reference.vectors, kinds)
    if not gaps.any():
        raise BadArray(
            "Shifts cannot be measured because neither pipeline has different embeddings for different photographs. "
            "Check that the embeddings are finite and belong to the golden images."
        )
    progress.update("parity", 2, 3, "Transforming photographs")
    photographs = [image for image, kind in zip(images, kinds, strict=True) if kind == PHOTOGRAPH]
    scale = _scale(reference.embed, photographs, float(gaps.mean()))
    progress.update("parity", 3, 3, "Transforming photographs")
    shift = _shifts(first.vectors, second.vectors, float(gaps.mean()))
    with np.errstate(invalid="ignore"):
        cosine = (to_length_1(first.vectors) * to_length_1(second.vectors)).sum(1)
    table = pd.DataFrame(
        {
            "picture": [picture.name for picture in pictures],
            "kind": kinds,
            "shift": shift,
            "cosine": cosine,
            "as_far_as": [_as_far_as(shift_of_picture, scale) for shift_of_picture in shift],
        }
    )
    return Parity(first.name, second.name, table, scale, tolerance, tuple(notes))


def _distances(vectors: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Compute the distances (P,) between all P pairs of photographs with finite, nonzero embeddings."""
    usable = np.isfinite(vectors).all(1) & vectors.any(1)
    selected = vectors[usable & (kinds == PHOTOGRAPH)].astype(np.float64)
    return np.linalg.norm(selected[:, None] - selected[None], axis=-1)[np.triu_indices(len(selected), 1)]


def _shifts(first: np.ndarray, second: np.ndarray, unit: float) -> np.ndarray:
    gaps = np.linalg.norm(first.astype(np.float64) - second.astype(np.float64), axis=1) / unit
    return np.where(np.isfinite(gaps), gaps, np.inf)


def _scale(embed: Embed | None, photographs: Sequence[Image], unit: float) -> pd.DataFrame:
    rows = []
    if embed is not None:
        before = embed(photographs)
        for transform in (entry for entry in bank() if entry.group in FAINT_GROUPS):
            after = embed([_altered(transform, i, image) for i, image in enumerate(photographs)])
            rows.append((transform.name, float(_shifts(before, after, unit).mean())))
    table = pd.DataFrame(rows, columns=["alteration", "shift"]).astype({"shift": float})
    return table.sort_values("shift", ignore_index=True)


def _altered(transform: Transform, number: int, image: Image) -> Image:
    return transform.apply(image, transform.weakest, generator(0, str(number), transform.name))


def _as_far_as(shift: float, scale: pd.DataFrame) -> str:
    if shift == 0:
        return ""
    farther = scale.loc[scale["shift"] >= shift, "alteration"]
    return str(farther.iloc[0]) if len(farther) else ""


Embed = Callable[[Sequence[Image]], np.ndarray]
"""Decoded images -> embeddings (N, D)."""


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the two pipelines, with its embeddings (N, D) of the golden images and, if callable, its function."""

    name: str
    vectors: np.ndarray
    embed: Embed | None = None


def write_golden(folder: Path) -> int:
    """Write the golden images and a list of their file names to ``folder``, for a pipeline that runs elsewhere.

    Returns:
        The number of images.

    Raises:
        BadConfig: the folder contains other files.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / LIST).is_file() or not any(folder.iterdir()))):
        raise BadConfig(f"'{folder}' contains other files. Choose a new folder for the golden images.")
    pictures = golden_pictures()
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        write_atomically(folder / picture.name, picture.data)
    rows = pd.DataFrame({"file": [p.name for p in pictures], "kind": [p.kind for p in pictures]})
    write_atomically(folder / LIST, rows.to_csv(index=False).encode())
    return len(pictures)


def _opened(pipeline: Any, other: Any, load: Callable[[str], LoadedEmbedder], notes: list[str]) -> Any:
    if not isinstance(pipeline, str | Path):
        return pipeline
    text = str(pipeline)
    if text.endswith(VECTORS):
        return read_vectors(user_path(text))
    if text.endswith(onnx.ONNX_SUFFIX) and not text.startswith("onnx:"):
        text = f"onnx:{text}"
    path = user_path(text.removeprefix("onnx:"))
    if not text.startswith("onnx:") or not path.is_file() or onnx.facts_of(path).is_file():
        return load(text)
    original = _opened(other, None, load, notes)
    preprocessing = getattr(original, "known_preprocessing", None) or onnx.read_preprocessing(path)
    notes.append(
        f"{path.name} is preprocessed like {getattr(original, 'name', other)}, because it specifies no preprocessing."
    )
    return onnx.OnnxEmbedder(text, path, preprocessing)


def _side(name: str, opened: Any, pictures: Sequence[GoldenPicture], images: Sequence[Image]) -> _Side:
    if isinstance(opened, LoadedEmbedder):
        if not opened.embeds_pictures:
            raise BadConfig(f"'{name}' contains embeddings of samples. Pass embeddings of the golden images.")
        return _Side(opened.name, _checked(opened.embed(images), opened.name, len(pictures)), opened.embed)
    if not callable(opened):
        return _Side(name, _checked(opened, name, len(pictures)))
    name = f"{name} ({getattr(opened, '__name__', 'function')})"
    if _first_parameter(opened) != PATHS:
        vectors = _checked(opened(list(images)), name, len(pictures))
        return _Side(name, vectors, lambda images: to_numpy(opened(list(images))).astype(np.float32))

    def on_files(files: Mapping[str, bytes]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            for file, data in files.items():
                (Path(folder) / file).write_bytes(data)
            return to_numpy(opened([Path(folder) / file for file in files]))

    vectors = _checked(on_files({picture.name: picture.data for picture in pictures}), name, len(pictures))
    return _Side(name, vectors, lambda images: on_files({f"{i}.png": encode_png(x) for i, x in enumerate(images)}))


def _first_parameter(function: Callable[..., Any]) -> str:
    """Return the name of the first parameter of a function, or an empty string if it is unknown."""
    try:
        return next(iter(inspect.signature(function).parameters), "")
    except ValueError:  # functions of extension modules may have no signature
        return ""


def _checked(vectors: Any, name: str, pictures: int) -> np.ndarray:
    try:
        matrix = to_numpy(vectors)
    except ValueError:  # lists of different lengths
        matrix = np.empty(0, object)
    if matrix.ndim != 2 or len(matrix) != pictures or not matrix.shape[1] or matrix.dtype.kind not in "fiub":
        raise BadArray(
            f"'{name}' must provide a numeric array (N, D) with one row for each of the {pictures} golden images; got "
            f"{matrix.dtype} with shape {matrix.shape}."
        )
    with np.errstate(over="ignore"):
        return matrix.astype(np.float32)


def read_vectors(path: Path) -> np.ndarray:
    """Read embeddings (N, D) from the NumPy file ``path``.

    Raises:
        ModelUnavailable: the file does not exist or cannot be read.
    """
    if not path.is_file():
        raise ModelUnavailable(
            f"The embeddings file '{path}' does not exist.",
            hint="Run `probing parity --write DIR` to write the images to embed.",
        )
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"Could not read embeddings from '{path}': {one_line(error)[:300]}.") from error
