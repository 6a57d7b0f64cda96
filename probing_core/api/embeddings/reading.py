"""Embeddings as people keep them, read block by block: clip-retrieval's folders, DataComp's archives, Parquet.

- ``img_emb_N.npy`` with ``metadata_N.parquet`` in the same folder or in ``metadata`` beside it (clip-retrieval);
- ``NAME.npz`` with arrays ``l14_img`` or ``b32_img``, and ``NAME.parquet`` with the column ``uid`` (DataComp);
- ``NAME.parquet`` with a column of lists of numbers; any other ``NAME.npy``, whose rows are numbered.

Nothing of a file is executed, and what its header promises is compared with its size before it is read.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy

from probing_core.errors import BadArray, BadConfig, one_line
from probing_core.probes.portable import PortableProbe

BLOCK = 2**12
"""Rows that are in memory together."""

KEYS = ("uid", "image_id", "id", "key", "image_path", "path", "filename", "url")
"""Columns of metadata that name a row, the first that is there."""

DECLARED = {"b32": "ViT-B-32", "l14": "ViT-L-14"}
"""What the names of DataComp's arrays begin with -> the architecture of CLIP that made them."""

LARGEST_HEADER = 10_000
"""Bytes of the header of an array; NumPy writes 118."""

CLIP_RETRIEVAL = re.compile(r"img_emb_(\d+)\.npy")
SUFFIXES = (".npy", ".npz", ".parquet")


@dataclass(frozen=True)
class Part:
    """One file of embeddings.

    Attributes:
        path: of the embeddings.
        names: the table with names of its rows; None where the file has them itself, or has none.
    """

    path: Path
    names: Path | None


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows.

    Attributes:
        X: (n, D), of any type of floating-point numbers.
        keys: (n,) names of the rows as text; None where there are none.
    """

    X: np.ndarray
    keys: pa.Array | None


def find_parts(source: Path) -> list[Part]:
    """Return the files of embeddings in the folder or file ``source``, in the order of their names.

    Raises:
        BadConfig: there is no such file or folder, or none of its files holds embeddings.
    """
    source = Path(source)
    if source.is_file():
        found = [source] if source.suffix in SUFFIXES else []
    elif source.is_dir():
        images = source / "img_emb"
        found = [path for path in (images if images.is_dir() else source).iterdir() if path.suffix in SUFFIXES]
    else:
        raise BadConfig(f"There is no file or folder '{source}' with embeddings.")
    named = {path.stem for path in found if path.suffix != ".parquet"}
    parts = [
        Part(path, _names_of(path))
        for path in sorted(found, key=_natural)
        if path.suffix != ".parquet" or not (path.stem.startswith("metadata_") or path.stem in named)
    ]
    parts = [part for part in parts if not part.path.name.startswith(("text_emb_", "."))]
    if not parts:
        raise BadConfig(
            f"'{source}' holds no embeddings; expected are img_emb_*.npy with metadata_*.parquet, .npz, or .parquet "
            f"with a column of lists."
        )
    return parts


def read_blocks(part: Part, probe: PortableProbe, column: str | None = None) -> Iterator[Block]:
    """Yield the rows of a file, at most `BLOCK` at a time.

    Args:
        probe: whose backbone the embeddings must be of.
        column: name of the array of an archive, or of the column of a table; needed where several fit.

    Raises:
        BadArray: the file cannot be used; the sentence names it.
    """
    with _named(part.path):
        if part.path.suffix == ".parquet":
            yield from _from_table(part.path, probe, column)
            return
        dim = probe.dim
        with _opened(part.path, probe, column) as (stream, size, declared):
            probe.refuse_declared(declared)
            rows, dtype = _header(stream, size, probe)
            keys = None if part.names is None else _Names(part.names, rows)
            for start in range(0, rows, BLOCK):
                n = min(BLOCK, rows - start)
                data = stream.read(n * dim * dtype.itemsize)
                X = np.frombuffer(data, dtype).reshape(n, dim)  # fails where the file ends early
                yield Block(X, None if keys is None else keys.take(n))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in what is raised."""
    try:
        yield
    except BadArray as error:
        raise BadArray(f"'{path}' {error}") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise BadArray(f"'{path}' could not be read as embeddings: {one_line(error)[:200]}.") from None


@contextmanager
def _opened(path: Path, probe: PortableProbe, column: str | None) -> Iterator[tuple[IO[bytes], int, str]]:
    """Open the array of a file; yield its stream, bytes and what it declares."""
    if path.suffix == ".npy":
        with path.open("rb") as stream:
            yield stream, path.stat().st_size, ""
        return
    with zipfile.ZipFile(path) as archive:
        arrays = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        name = column or _only(arrays, [name for name in arrays if _fits(archive, arrays[name], probe)], probe)
        if name not in arrays:
            raise BadArray(f"has no array '{name}'; there are: {', '.join(arrays) or 'none'}.")
        with archive.open(arrays[name]) as stream:
            yield stream, arrays[name].file_size, DECLARED.get(name.split("_")[0], "")


def _fits(archive: zipfile.ZipFile, info: zipfile.ZipInfo, probe: PortableProbe) -> bool:
    """Return whether an array of an archive may hold embeddings of pictures."""
    if info.filename.removesuffix(".npy").endswith(("_txt", "_text")):
        return False
    with archive.open(info) as stream:
        try:
            _header(stream, info.file_size, probe)
        except (BadArray, ValueError):
            return False
    return True


def _only(there: Iterable[str], fitting: list[str], probe: PortableProbe) -> str:
    if not fitting:
        raise BadArray(probe.wants(f"no array of {probe.dim} numbers a row, but {', '.join(there) or 'none at all'}"))
    if len(fitting) > 1:
        raise BadArray(
            f"has several arrays of {probe.dim} numbers a row; name one with --column: {', '.join(fitting)}."
        )
    return fitting[0]


def _header(stream: IO[bytes], size: int, probe: PortableProbe) -> tuple[int, np.dtype]:
    """Read the header of an array; return its rows and type.

    Raises:
        BadArray: it is not (N, D) of floating-point numbers, or the file is shorter than it says.
    """
    start = stream.read(8)
    if start[:6] != npy.MAGIC_PREFIX or start[6:8] not in (b"\x01\x00", b"\x02\x00"):
        raise BadArray("is no array of NumPy.")
    width = 2 if start[6] == 1 else 4
    prefix = stream.read(width)
    length = int.from_bytes(prefix, "little")
    if length > LARGEST_HEADER:
        raise BadArray(f"has a header of {length:,} bytes; expected are {LARGEST_HEADER:,} at most.")
    read = npy.read_array_header_1_0 if width == 2 else npy.read_array_header_2_0
    shape, fortran, dtype = read(io.BytesIO(prefix + stream.read(length)))
    if dtype.hasobject:
        raise BadArray("holds pickled objects, which are not read; save it as numbers.")
    if len(shape) != 2 or dtype.kind != "f" or (fortran and 1 not in shape):
        order = " column by column" if fortran else ""
        raise BadArray(
            f"holds {dtype} of the shape {shape}{order}; expected are floating-point numbers (N, {probe.dim})."
        )
    if shape[1] != probe.dim:
        raise BadArray(probe.wants(f"rows of {shape[1]:,} numbers"))
    there, said = size - 8 - width - length, shape[0] * probe.dim * dtype.itemsize
    if there != said:
        raise BadArray(f"holds {there:,} bytes of numbers, and its header says {said:,}; fetch it again.")
    return shape[0], dtype


def _from_table(path: Path, probe: PortableProbe, column: str | None) -> Iterator[Block]:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        lists = [field.name for field in schema if _is_list(field.type)]
        chosen = column or (lists[0] if len(lists) == 1 else "")
        if chosen not in lists:
            raise BadArray(
                f"has {len(lists)} columns of lists of numbers{f' and none called {column!r}' if column else ''}; "
                f"{'name one with --column: ' + ', '.join(lists) if lists else 'expected is one of embeddings'}."
            )
        name = next((key for key in KEYS if key in schema.names and key != chosen), None)
        probe.refuse_declared((schema.metadata or {}).get(b"model", b"").decode("utf-8", "replace"))
        for batch in file.iter_batches(BLOCK, columns=[chosen, *([name] if name else [])]):
            rows = batch.column(chosen)
            lengths = rows.value_lengths().to_numpy(zero_copy_only=False)
            if rows.null_count:
                raise BadArray(f"has empty rows in its column '{chosen}'; leave these out.")
            if len(odd := lengths[lengths != probe.dim]):
                raise BadArray(probe.wants(f"lists of {odd[0]:,} numbers in the column '{chosen}'"))
            X = rows.flatten().to_numpy(zero_copy_only=False).reshape(-1, probe.dim)
            yield Block(X, batch.column(name).cast(pa.string()) if name else None)


def _is_list(kind: pa.DataType) -> bool:
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return nested and pa.types.is_floating(kind.value_type)


class _Names:
    """Names of rows, read as they are asked for."""

    def __init__(self, path: Path, rows: int) -> None:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows != rows:
            raise BadArray(f"holds {rows:,} rows, and {path.name} beside it {file.metadata.num_rows:,}.")
        column = next((key for key in KEYS if key in file.schema_arrow.names), None)
        if column is None:
            raise BadArray(f"has no names of its rows: {path.name} beside it has none of {', '.join(KEYS)}.")
        self._batches = file.iter_batches(BLOCK, columns=[column])
        self._rest: pa.Array = pa.array([], pa.string())

    def take(self, n: int) -> pa.Array:
        """Return the next ``n`` names."""
        taken = []
        while n:
            if not len(self._rest):
                self._rest = next(self._batches).column(0).cast(pa.string())
            taken.append(self._rest.slice(0, n))
            self._rest = self._rest.slice(len(taken[-1]))
            n -= len(taken[-1])
        return pa.concat_arrays(taken)


def _names_of(path: Path) -> Path | None:
    """Return the table with the names of the rows of ``path``.

    Raises:
        BadConfig: a file of clip-retrieval lacks it.
    """
    if found := CLIP_RETRIEVAL.fullmatch(path.name):
        name = f"metadata_{found[1]}.parquet"
        places = [path.parent / name, path.parent.parent / "metadata" / name]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise BadConfig(
                f"'{path}' lacks its metadata; expected {name} in the same folder, or in metadata beside it."
            )
        return there
    beside = path.with_suffix(".parquet")
    return beside if path.suffix in (".npz", ".npy") and beside.is_file() else None


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort numbers in names by their value."""
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in re.split(r"(\d+)", path.name)]
