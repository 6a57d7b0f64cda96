"""Chunks of a scan from somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.api.scan_chunks import Chunks, read_chunk
from probing_core.api.scan_measure import UNREAD
from probing_core.api.scan_source import Loaded, Part, Source
from probing_core.errors import BadRun

COUNT = 4


class Made(Source):
    title = "made"

    def __init__(self) -> None:
        self.parts = [Part((name,), COUNT) for name in "ab"]

    def read(self, indices: Sequence[int]) -> Iterator[Loaded]:
        raise NotImplementedError


@pytest.fixture
def chunks(tmp_path) -> Chunks:
    """Two complete chunks."""
    chunks = Chunks(tmp_path / "chunks", Made(), "0" * 16)
    for index in range(2):
        chunks.write(index, [UNREAD] * COUNT)
    assert not chunks.missing()
    return chunks


def of_rows(path: Path, rows: int) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]).slice(0, rows), path)


def without_value(path: Path) -> None:
    table = pq.read_table(path)
    index = table.column_names.index("path")
    pq.write_table(table.set_column(index, table.field(index), [["a", None, "c", "d"]]), path)


@pytest.mark.parametrize("rows", [0, COUNT - 1, 2 * COUNT])
def test_chunk_with_a_different_number_of_rows_is_measured_again(chunks, rows):
    of_rows(chunks.folder / chunks.names[1], rows)
    assert chunks.missing() == [1]
    assert not (chunks.folder / chunks.names[1]).exists()


def test_chunk_with_missing_values_is_measured_again(chunks):
    without_value(chunks.folder / chunks.names[0])
    with pytest.raises(BadRun, match="values are missing"):
        read_chunk(chunks.folder, chunks.names[0])
    assert chunks.missing() == [0]


@pytest.mark.parametrize("remove", [Chunks.missing, Chunks.remove_others])
def test_folder_in_place_of_a_chunk_is_named(chunks, remove):
    name = f"chunk-{'0' * 16}-{'1' * 16}.parquet" if remove is Chunks.remove_others else chunks.names[1]
    path = chunks.folder / name
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(BadRun, match=name):
        remove(chunks)
