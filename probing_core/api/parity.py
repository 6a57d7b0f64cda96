"""Whether two pipelines give the same embeddings of the golden pictures, and if not, how far they are apart."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.golden_pictures import PHOTOGRAPH, GoldenPicture, golden_pictures
from probing_core.errors import BadArray, BadConfig, ModelUnavailable, one_line
from probing_core.images import Image, encode_png
from probing_core.measures.neighbors import unit as to_length_1
from probing_core.measures.notation import decimal, text_table
from probing_core.models import load_embedder
from probing_core.models.base import LoadedEmbedder, Preprocessing
from probing_core.models.providers import onnx
from probing_core.paths import user_path
from probing_core.run.atomic import write_atomically
from probing_core.run.progress import SILENT, Progress
from probing_core.transforms import Transform, bank, generator

TOLERANCE = 0.01
"""Shift up to which embeddings are alike."""

FAINT = ("color", "tone", "blur", "noise", "codec")
"""Groups of transformations whose weakest a pipeline may make by accident."""

LIST = "pictures.csv"
"""The list of the golden pictures, in their folder; vectors that come back without names are in its order."""

VECTORS = (".npy", ".safetensors", ".parquet")
"""Endings of files of vectors."""

PATHS = "paths"
"""Name of the parameter of a function that decodes the files itself."""

Pipeline = str | Path | np.ndarray | LoadedEmbedder | Callable[[Sequence[Any]], np.ndarray]
"""What `parity` compares."""


@dataclass(frozen=True, eq=False)
class Parity:
    """What `parity` found; it prints itself.

    Attributes:
        a, b: names of the two pipelines.
        pictures: one row a golden picture: ``picture``, ``kind``, ``shift`` (distance of its two embeddings in units of
            the mean distance between two photographs; infinite where one is not finite), ``cosine``, ``as_far_as``
            (the faintest alteration that moves photographs as far; empty where none does).
        scale: ``alteration``, a transformation of the groups `FAINT` at its weakest, and ``shift``, how far it moves
            photographs on average, faintest first; empty where neither pipeline can be called.
        tolerance: the largest shift of pipelines that are alike.
        notes: what a reader must know, a sentence each.
    """

    a: str
    b: str
    pictures: pd.DataFrame = field(repr=False)
    scale: pd.DataFrame = field(repr=False)
    tolerance: float
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
        return _as_far_as(self.shift, self.scale)

    def __str__(self) -> str:
        rows = self.pictures.assign(
            shift=self.pictures["shift"].map(_in_words), cosine=self.pictures["cosine"].round(4)
        )
        return f"{text_table(rows)}\n{self._summary}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self.pictures.to_html(index=False, border=0)}<p>{self._summary}</p>"

    @property
    def _summary(self) -> str:
        far = f", as far as {self.as_far_as} at its weakest" if self.as_far_as else ""
        return "\n".join(
            (
                *self.notes,
                f"{self.a} and {self.b} {'are alike' if self.alike else 'differ'}: the largest shift of "
                f"{len(self.pictures)} golden pictures is {_in_words(self.largest)} (tolerance "
                f"{decimal(self.tolerance)}). Photographs are moved by {_in_words(self.shift)} of the mean distance "
                f"between two of them{far}.",
            )
        )


def _in_words(shift: float) -> str:
    return "infinity" if shift == float("inf") else decimal(shift, 2)


def parity(
    a: Pipeline,
    b: Pipeline,
    *,
    tolerance: float = TOLERANCE,
    device: str = "auto",
    precision: str = "float32",
    progress: Progress = SILENT,
) -> Parity:
    """Compare the embeddings that two pipelines give of the golden pictures.

    A shift is the distance of two embeddings of one picture, in units of the mean distance between two photographs.

    Args:
        a: the name of a model, or one that `load_embedder` loaded; ``onnx:PATH``, preprocessed as the
            other one where no preprocessing is next to it; a function: images (H, W, 3) ``uint8`` -> (N, D), or,
            where its parameter is called ``paths``, paths of files -> (N, D); a file of vectors of the pictures
            that `write_golden` wrote (``.npy``, ``.safetensors`` with a tensor ``embeddings``, ``.parquet``); or
            these vectors as an array (N, D) in the order of the list.
        b: the other one, likewise.
        tolerance: the largest shift of pipelines that are alike.
        device: of named models, as in `load_embedder`.
        precision: likewise.

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
        progress.update("parity", place, 3, "Embedding golden pictures")
        sides.append(load.side(pipeline, other, "AB"[place]))
    first, second = sides
    if first.vectors.shape != second.vectors.shape:
        raise BadArray(
            f"'{first.name}' gives {first.vectors.shape[1]} numbers a picture and '{second.name}' "
            f"{second.vectors.shape[1]}: embeddings of different models or layers, which no distance compares."
        )
    kinds = np.array([picture.kind for picture in pictures])
    # Unit and scale come from a pipeline that separates photographs and, where possible, can be called.
    known = min(sides, key=lambda side: (not _distances(side.vectors, kinds).any(), side.embed is None))
    gaps = _distances(known.vectors, kinds)
    if not gaps.any():
        raise BadArray(
            "The unit of a shift is the distance between two photographs, and neither pipeline gives two that differ; "
            "check that their embeddings are finite and belong to the golden pictures."
        )
    progress.update("parity", 2, 3, "Altering photographs")
    photographs = [image for image, kind in zip(images, kinds, strict=True) if kind == PHOTOGRAPH]
    scale = _scale(known.embed, photographs, float(gaps.mean()))
    progress.update("parity", 3, 3, "Altering photographs")
    shift = _shifts(first.vectors, second.vectors, float(gaps.mean()))
    with np.errstate(invalid="ignore"):
        cosine = (to_length_1(first.vectors) * to_length_1(second.vectors)).sum(1)
    table = pd.DataFrame(
        {
            "picture": [picture.name for picture in pictures],
            "kind": kinds,
            "shift": shift,
            "cosine": cosine,
            "as_far_as": [_as_far_as(one, scale) for one in shift],
        }
    )
    return Parity(first.name, second.name, table, scale, tolerance, tuple(load.notes))


def _distances(vectors: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return the distances between the embeddings of each two photographs that are finite and not all zeros."""
    usable = np.isfinite(vectors).all(1) & vectors.any(1)
    mine = vectors[usable & (kinds == PHOTOGRAPH)].astype(np.float64)
    return np.linalg.norm(mine[:, None] - mine[None], axis=-1)[np.triu_indices(len(mine), 1)]


def _shifts(first: np.ndarray, second: np.ndarray, unit: float) -> np.ndarray:
    gaps = np.linalg.norm(first.astype(np.float64) - second.astype(np.float64), axis=1) / unit
    return np.where(np.isfinite(gaps), gaps, np.inf)


def _scale(embed: Embed | None, photographs: Sequence[Image], unit: float) -> pd.DataFrame:
    rows = []
    if embed is not None:
        before = embed(photographs)
        for transform in (one for one in bank() if one.group in FAINT):
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
"""Decoded pictures -> (N, D)."""


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the two pipelines: its embeddings (N, D) of the golden pictures, and how it is called, if it can be."""

    name: str
    vectors: np.ndarray
    embed: Embed | None = None


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
    def __init__(self, pictures: Sequence[GoldenPicture], images: Sequence[Image], device: str, precision: str) -> None:
        self.pictures, self.images, self.device, self.precision = pictures, images, device, precision
        self.loaded: dict[str, LoadedEmbedder] = {}
        self.notes: list[str] = []

    def side(self, pipeline: Pipeline, other: Pipeline, letter: str) -> _Side:
        """Return one side; ``letter`` names it where nothing else does."""
        if isinstance(pipeline, np.ndarray):
            return _Side(letter, self._checked(pipeline, letter))
        if isinstance(pipeline, LoadedEmbedder):
            return self._of_embedder(pipeline.name, pipeline)
        if callable(pipeline):
            return self._called(pipeline, f"{letter} ({getattr(pipeline, '__name__', 'function')})")
        text = str(pipeline)
        if text.endswith(VECTORS):
            names = [picture.name for picture in self.pictures]
            return _Side(text, self._checked(read_vectors(user_path(text), names), text))
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

    def _called(self, function: Callable[[Sequence[Any]], np.ndarray], name: str) -> _Side:
        if next(iter(inspect.signature(function).parameters), "") != PATHS:
            vectors = self._checked(function(list(self.images)), name)
            return _Side(name, vectors, lambda images: np.asarray(function(list(images)), np.float32))

        def on_files(files: dict[str, bytes]) -> np.ndarray:
            with tempfile.TemporaryDirectory() as folder:
                for file, data in files.items():
                    (Path(folder) / file).write_bytes(data)
                return np.asarray(function([Path(folder) / file for file in files]))

        vectors = self._checked(on_files({picture.name: picture.data for picture in self.pictures}), name)
        return _Side(name, vectors, lambda images: on_files({f"{i}.png": encode_png(x) for i, x in enumerate(images)}))

    def _of_embedder(self, name: str, embedder: LoadedEmbedder) -> _Side:
        if not embedder.embeds_pictures:
            raise BadConfig(f"'{name}' holds embeddings of a run's samples; name a file of vectors of golden pictures.")
        return _Side(name, self._checked(embedder.embed(self.images), name), embedder.embed)

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


def read_vectors(path: Path, names: Sequence[str]) -> np.ndarray:
    """Return the vectors (N, D) in the file ``path``, in the order of ``names``.

    A matrix (``.npy``, ``.safetensors``) has the names of its rows next to it, in ``<same name>.csv``, column ``file``,
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


def _read_matrix(path: Path) -> tuple[list[str] | None, np.ndarray]:
    matrix = _matrix(path)
    table, lines = path.with_suffix(".csv"), path.with_suffix(".txt")
    if table.is_file():
        listed = pd.read_csv(table, dtype=str, keep_default_na=False)
        if "file" not in listed:
            raise ModelUnavailable(f"'{table}' lacks the column 'file', the name of the picture of each row.")
        return list(listed["file"]), matrix
    if lines.is_file():
        return lines.read_text(encoding="utf-8").split("\n")[: len(matrix)], matrix
    return None, matrix


def _matrix(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    from safetensors.numpy import load_file

    arrays = load_file(path)
    if "embeddings" not in arrays:
        raise ModelUnavailable(f"'{path}' has no tensor 'embeddings'; it has {', '.join(arrays) or 'none'}.")
    return arrays["embeddings"]
