"""Test whether traits of the files of a scan give their labels away.

A classifier that is trained on such files may learn, for example, that all images of one label are PNG files. Each
trait is tested with Fisher's exact test, with Bonferroni correction. Sizes are not tested, because they depend on the
content of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from probing_core.api.scan_chunks import Chunks
from probing_core.corpora.folder import SPLIT_FOLDERS, SPLIT_SYNONYMS
from probing_core.images.decoding import printable
from probing_core.measures.exact_tests import fisher_p
from probing_core.measures.notation import counted, in_percent, p_value
from probing_core.measures.statistics import is_significant

LABEL_COLUMN = "label"
"""Column of a table that contains the labels, as in all kinds of corpora."""

MIN_FILES = 5
"""Minimum mean number of files per label. With fewer, subfolders are probably not labels."""

MAX_LABELS = 1000
"""Maximum number of labels that are compared, which limits the time."""

SEED = 0

LISTED_LABELS = 20
"""Maximum number of labels whose sizes are listed."""


@dataclass(frozen=True)
class Trait:
    """A property of a file that is tested.

    Attributes:
        column: column of the measurements.
        title: display name.
        is_jpeg: whether only JPEG files are compared. Otherwise, a difference in format would be reported repeatedly.
        describe: function that converts a value to a phrase that follows "are".
    """

    column: str
    title: str
    is_jpeg: bool
    describe: Callable[[Any], str]


TRAITS = (
    Trait("format", "Format", False, "{} files".format),
    Trait("quality", "JPEG quality", True, "saved with quality {}".format),
    Trait("subsampling", "Chroma subsampling", True, "saved with chroma {}".format),
    Trait("progressive", "Progressive JPEG", True, lambda value: "progressive" if value else "not progressive"),
    Trait("exif", "EXIF", False, lambda value: "files with EXIF" if value else "files without EXIF"),
    Trait(
        "profile",
        "Color profile",
        False,
        lambda value: f"with the color profile {value}" if value else "without a color profile",
    ),
    Trait("mode", "Color mode", False, "in mode {}".format),
)
TRAIT_COLUMNS = [*(trait.column for trait in TRAITS), "width", "height", "error"]


@dataclass(frozen=True)
class TraitTest:
    """Result of the test of one trait.

    Attributes:
        trait: display name of the trait.
        p: p-value, corrected for the number of traits.
        label, value: the label and the value whose numbers deviate most from independence.
        count, total: number of files with this label and value, and with this label.
        other_count, other_total: numbers for all other labels.
    """

    trait: str
    p: float
    label: str
    value: str
    count: int
    total: int
    other_count: int
    other_total: int

    @property
    def is_leak(self) -> bool:
        return is_significant(self.p)

    @property
    def sentence(self) -> str:
        some = f"all {self.total:,}" if self.count == self.total else f"{self.count:,} of {self.total:,}"
        none = "none" if not self.other_count else f"{self.other_count:,}"
        files = f"{some} files of '{printable(self.label)}' are {self.value}"
        return f"{self.trait}: {files}, and {none} of {counted(self.other_total, 'other file')} ({p_value(self.p)})."


@dataclass(frozen=True)
class LabelReport:
    """What the files of a scan reveal about their labels.

    Attributes:
        counts: label -> number of files.
        tests: one result per trait that varies, most significant first.
        sizes: label -> description of the sizes and aspect ratios of its files.
    """

    counts: Mapping[str, int]
    tests: tuple[TraitTest, ...]
    sizes: Mapping[str, str]

    @property
    def leaks(self) -> tuple[TraitTest, ...]:
        return tuple(test for test in self.tests if test.is_leak)

    @property
    def sentences(self) -> list[str]:
        """One sentence per trait that gives the label away, or a sentence that there is none."""
        if not self.leaks:
            return [f"No trait of the files gives the label away ({len(self.counts):,} labels)."]
        return [f"Traits of the files give the label away ({len(self.leaks)}):", *(t.sentence for t in self.leaks)]

    def to_json(self) -> dict[str, Any]:
        tests = [vars(test) | {"is_leak": bool(test.is_leak)} for test in self.tests]
        return {"counts": dict(self.counts), "traits": tests, "sizes": dict(self.sizes)}


def label_report(chunks: Chunks) -> LabelReport | None:
    """Test the traits of the scanned files against their labels.

    Returns:
        The results, or None if the files have no labels.
    """
    files = pd.concat(chunks.read(["path", *TRAIT_COLUMNS]), ignore_index=True)
    return compare_labels(files.assign(label=_labels(chunks, files["path"])))


def compare_labels(files: pd.DataFrame) -> LabelReport | None:
    """Test the traits of ``files`` against the column ``label``.

    Args:
        files: table with the columns `TRAIT_COLUMNS` and ``label``. Files with an error or an empty label are ignored.

    Returns:
        The results, or None if there are fewer than two or too many labels, or too few files per label.
    """
    files = files[(files["error"] == "") & (files["label"] != "")]
    counts = files["label"].value_counts().sort_index()
    if not 2 <= len(counts) <= MAX_LABELS or len(files) < MIN_FILES * len(counts):
        return None
    tables = [(trait, table) for trait in TRAITS if min((table := _table(files, trait)).shape) > 1]
    rng = np.random.default_rng(SEED)
    tests = [_test(trait, table, len(tables), rng) for trait, table in tables]
    tests.sort(key=lambda test: test.p)
    return LabelReport({str(label): int(count) for label, count in counts.items()}, tuple(tests), dict(_sizes(files)))


def _table(files: pd.DataFrame, trait: Trait) -> pd.DataFrame:
    """Return the number of files by label (rows) and value (columns)."""
    if trait.is_jpeg:
        files = files[(files["format"] == "JPEG") & (files[trait.column] != "")]  # gray files have no chroma
    return pd.crosstab(files["label"], files[trait.column])


def _test(trait: Trait, table: pd.DataFrame, tests: int, rng: np.random.Generator) -> TraitTest:
    counts = table.to_numpy()
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    # Standardized residuals; an excess is easier to describe than a lack.
    excess = (counts - expected) / np.sqrt(expected)
    row, column = map(int, np.unravel_index(int(excess.argmax()), counts.shape))
    return TraitTest(
        trait=trait.title,
        p=min(1.0, tests * fisher_p(counts, rng)),
        label=str(table.index[row]),
        value=trait.describe(table.columns[column]),
        count=int(counts[row, column]),
        total=int(counts[row].sum()),
        other_count=int(counts[:, column].sum() - counts[row, column]),
        other_total=int(counts.sum() - counts[row].sum()),
    )


def _sizes(files: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Describe the sizes and aspect ratios of each label."""
    sizes = files["width"].astype(str) + " × " + files["height"].astype(str)
    ratios = (files["width"] / files["height"].clip(lower=1)).round(2)
    for label, rows in list(files.groupby("label"))[:LISTED_LABELS]:
        common_size, common_ratio = (values[rows.index].value_counts() for values in (sizes, ratios))
        yield (
            str(label),
            f"{len(common_size):,} {'size' if len(common_size) == 1 else 'sizes'}, most common {common_size.index[0]} "
            f"({in_percent(common_size.iloc[0] / len(rows))}); most common aspect ratio {common_ratio.index[0]:g} "
            f"({in_percent(common_ratio.iloc[0] / len(rows))})",
        )


def _labels(chunks: Chunks, paths: pd.Series) -> pd.Series:
    """Return the label of each file, or empty strings if the source has no labels."""
    if not chunks.source.has_columns:
        return folder_labels(paths)
    kinds = chunks.source_columns()
    if LABEL_COLUMN not in kinds:
        return pd.Series("", paths.index)
    tables = chunks.read_source({LABEL_COLUMN: kinds[LABEL_COLUMN]})
    column = pa.chunked_array([chunk for table in tables for chunk in table[LABEL_COLUMN].chunks], kinds[LABEL_COLUMN])
    return pd.Series(["" if value is None else str(value) for value in column.to_pylist()], paths.index)


def folder_labels(paths: pd.Series) -> pd.Series:
    """Return the first subfolder of each file, or the second one if the first ones are splits, as for runs."""
    parts = [PurePosixPath(path).parts[:-1] for path in paths]
    firsts = {folders[0].lower() for folders in parts if folders}
    first = 1 if firsts and firsts <= SPLIT_FOLDERS | SPLIT_SYNONYMS else 0
    return pd.Series([folders[first] if len(folders) > first else "" for folders in parts], paths.index)
