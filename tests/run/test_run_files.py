"""Reading some columns or rows of large tables, which must not read the rest from the disk."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.devtools.run_edits import put
from probing_core.errors import BadRun
from probing_core.run import files
from probing_core.run.run_files import RunFiles, SampleTable, first_rows, read_columns

ROWS, GROUPS = 200_000, 40
COUNTED = Path("/proc/self/io")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sample": np.arange(ROWS, dtype=np.int32),
            "image_id": [f"image-{i // 40:05d}" for i in range(ROWS)],
            "transform": rng.choice(["fog", "blur", "identity"], ROWS),
            "strength": rng.random(ROWS).astype(np.float32),
            "distance": rng.random(ROWS),
            "visible": rng.random(ROWS) < 0.5,
        }
        | dict.fromkeys(("base_id", "label", "split", "group"), "a")
        | dict.fromkeys(("ssim", "difference"), 0.5)
        | dict.fromkeys(("repetition", "draw"), np.int8(0))
    )


@pytest.fixture(scope="module")
def store(table, tmp_path_factory) -> RunFiles:
    store = RunFiles(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "GROUP_ROWS", ROWS // GROUPS)
        put(store, {"samples.parquet": table})
    return store


def bytes_read(read: Callable[[], object]) -> int:
    """Return the number of bytes that this process reads in `read`; reading a footer of a file counts as 64 kB."""

    def count() -> int:
        return int(COUNTED.read_text().split()[1])

    before = count()
    read()
    return count() - before


def test_tables_are_written_in_row_groups_whose_values_are_in_order(store):
    about = pq.read_metadata(store.path("samples.parquet"))
    assert about.num_row_groups == GROUPS
    ends = [about.row_group(i).column(1).statistics for i in range(GROUPS)]
    assert all(a.max <= b.min for a, b in pairwise(ends))
    assert pq.read_metadata(store.path("samples.parquet")).num_rows == ROWS


@pytest.mark.parametrize("rows", [[], [5], [199_999, 3, 3, 70_000, 2], list(range(0, ROWS, 777))])
def test_sample_table_reads_rows_at_positions(store, table, rows):
    found = SampleTable(store).rows(np.array(rows, int))
    pd.testing.assert_frame_equal(found[list(table)], table.iloc[rows].reset_index(drop=True))


def test_the_first_rows_are_shown_with_the_number_of_all(store, table):
    first, count = first_rows(store, "samples.parquet", 500)
    pd.testing.assert_frame_equal(first, table[:500])
    assert count == ROWS


@pytest.mark.parametrize("written", [1, 0])
def test_an_empty_table_has_no_rows(tmp_path, table, written):
    # Tables from other programs may have no row group.
    store = RunFiles(tmp_path)
    if written:
        put(store, {"samples.parquet": table[:0]})
    else:
        pq.ParquetWriter(tmp_path / "samples.parquet", pa.Table.from_pandas(table[:0]).schema).close()
    first, count = first_rows(store, "samples.parquet", 500)
    assert (list(first), len(first), count) == (list(table), 0, 0)
    assert read_columns(store, "samples.parquet", ["sample"]).empty


def test_damaged_table_is_reported_in_one_sentence(tmp_path, table):
    (tmp_path / "samples.parquet").write_bytes(table.to_parquet(index=False)[:-100])
    for read in (
        lambda: read_columns(RunFiles(tmp_path), "samples.parquet", ["sample"]),
        lambda: first_rows(RunFiles(tmp_path), "samples.parquet", 1),
    ):
        with pytest.raises(BadRun, match="cannot be read"):
            read()
