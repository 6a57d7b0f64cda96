from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.api.scan_chunks import Chunks
from probing_core.api.scan_labels import compare_labels, folder_labels, label_report
from probing_core.api.scan_measure import UNREAD
from probing_core.api.scan_tables import ParquetFiles


def table(labels: list[str], **columns: list) -> pd.DataFrame:
    rows = pd.DataFrame({"label": labels, "format": "JPEG", "mode": "RGB", "quality": 90, "subsampling": "4:2:0"})
    rows = rows.assign(progressive=False, exif=False, profile="", width=640, height=480, error="")
    return rows.assign(**columns)


def test_compare_labels_names_the_value_and_both_numbers():
    labels = ["fake"] * 60 + ["real"] * 140
    report = compare_labels(table(labels, format=["PNG"] * 60 + ["JPEG"] * 140))
    (leak,) = report.leaks
    assert (leak.trait, leak.count, leak.total, leak.other_count, leak.other_total) in [
        ("Format", 60, 60, 0, 140),
        ("Format", 140, 140, 0, 60),
    ]
    assert leak.p < 1e-6


def test_compare_labels_with_many_labels_finds_the_one_that_differs():
    labels = [f"{i % 6}" for i in range(600)]
    exif = [label == "4" and i % 5 == 0 for i, label in enumerate(labels)]
    (leak,) = compare_labels(table(labels, exif=exif)).leaks
    assert (leak.trait, leak.label, leak.count, leak.other_count) == ("EXIF", "4", sum(exif), 0)


def test_compare_labels_reports_sizes_without_testing_them():
    labels = ["a"] * 50 + ["b"] * 50
    report = compare_labels(table(labels, width=[512] * 50 + list(range(600, 650))))
    assert not report.leaks
    assert "512 × 480" in report.sizes["a"]
    assert "50 sizes" in report.sizes["b"]


@pytest.mark.parametrize("labels", [["a"] * 20, [""] * 20, [str(i) for i in range(20)], ["a"] * 3 + ["b"] * 3])
def test_files_without_usable_labels_have_no_report(labels):
    assert compare_labels(table(labels)) is None


def test_unreadable_files_are_ignored():
    errors = [""] * 40 + ["corrupted"] * 10
    report = compare_labels(table(["a", "b"] * 25, error=errors, format=["JPEG"] * 40 + [""] * 10))
    assert dict(report.counts) == {"a": 20, "b": 20}
    assert not report.tests


def test_folder_labels_are_the_first_subfolders_after_splits():
    paths = pd.Series(["cat/1.png", "dog/old/2.png", "3.png"])
    assert folder_labels(paths).tolist() == ["cat", "dog", ""]
    paths = pd.Series(["train/cat/1.png", "test/dog/2.png", "test/3.png"])
    assert folder_labels(paths).tolist() == ["cat", "dog", ""]


def test_p_values_are_corrected_for_the_number_of_traits_that_vary():
    labels = ["a"] * 50 + ["b"] * 50
    exif = np.arange(100) < 6
    (alone,) = compare_labels(table(labels, exif=exif)).tests
    both = compare_labels(table(labels, exif=exif, profile=["", "sRGB"] * 50)).tests
    assert both[0].p == pytest.approx(2 * alone.p)


def test_labels_of_tables_are_in_their_column(tmp_path):
    labels = [7] * 60 + [8] * 60 + [None] * 10
    images = pa.array([b"image"] * len(labels), pa.binary())
    pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "images.parquet")
    chunks = Chunks(tmp_path / "chunks", ParquetFiles(str(tmp_path / "images.parquet")), "0" * 16)
    first = 0
    for group in chunks.source.groups():
        for loaded in chunks.source.read(group):
            # The first 30 files of label 7 are PNG files.
            formats = ["PNG" if first + i < 30 else "JPEG" for i in range(len(loaded.items))]
            first += len(loaded.items)
            rows = [UNREAD | {"path": item.name, "format": f} for item, f in zip(loaded.items, formats, strict=True)]
            chunks.write(loaded.index, rows, loaded.columns)
    report = label_report(chunks)
    assert dict(report.counts) == {"7": 60, "8": 60}
    (leak,) = report.leaks
    assert (leak.label, leak.count, leak.total, leak.other_count) == ("7", 30, 60, 0)
