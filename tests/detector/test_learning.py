"""The views that the detector learns from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.compute.sampling.samples import Design
from probing_core.corpora import Corpus, open_corpus
from probing_core.detector.detector import sample_weights
from probing_core.detector.learning import choose_photographs, make_views, plan_views
from probing_core.images import encode_png
from probing_core.transforms import bank
from probing_core.transforms.alternatives import WIDER_ALTERED
from tests.conftest import scene

NAMES = [t.name for t in bank() if t.group != "identity"]


def test_every_photograph_is_untouched_and_altered_in_the_same_proportions():
    for image_id in "abc":
        views = plan_views(NAMES, image_id, seed=0)
        untouched = Counter(v.maker for v in views if v.transform == "identity")
        altered = Counter(v.maker for v in views if v.transform != "identity")
        assert untouched == {"bank": 1, "clean": 3, "wider": 4}
        assert altered == {"bank": 9, "alternative": 8, "wider": 1}
        assert len({(v.maker, v.transform) for v in views if v.transform != "identity"}) == 18  # none twice
    assert len(plan_views(["gamma"], "a", 0)) == 26
    assert len(plan_views(["rotate"], "a", 0)) == 25


def test_all_transforms_are_as_likely_to_the_bank_and_to_alternatives_and_the_wider_ones_to_each_other():
    views = [v for i in range(300) for v in plan_views(NAMES, str(i), seed=0)]
    wider = Counter(v.transform for v in views if v.maker == "wider" and v.transform != "identity")
    assert set(wider) == set(WIDER_ALTERED)
    assert all(abs(count - 150) < 5 * np.sqrt(75) for count in wider.values())
    counts = Counter(v.transform for v in views if v.maker != "wider" or v.transform == "identity")
    expected = 300 * 17 / 30
    assert set(counts) == {"identity", *NAMES}
    assert all(abs(counts[name] - expected) < 5 * np.sqrt(expected) for name in NAMES)


def test_views_are_made_again_the_same_and_differ_from_each_other():
    transforms = {t.name: t for t in bank()}
    planned = plan_views(["gamma", "gaussian-blur", "rotate"], "a", 0)
    picture = scene(0, 100)
    first, second = (list(make_views(picture, 48, planned, transforms, "a", 0)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(view.shape == (48, 48, 3) and view.dtype == np.uint8 for view in first)
    assert len({view.tobytes() for view in first}) == len(first)
    # The order of the views, and which others are made, do not matter.
    alone = next(make_views(picture, 48, planned[-1:], transforms, "a", 0))
    assert np.array_equal(alone, first[-1])


def test_views_of_a_piece_show_the_picture_at_its_own_scale():
    transforms = {t.name: t for t in bank()}
    rng = np.random.default_rng(0)
    picture = rng.integers(
        0, 256, (400, 500, 3), dtype=np.uint8
    )  # noise of single pixels, which reduction averages out
    planned = [v for v in plan_views(["gamma"], "a", 0) if v.transform == "identity"]
    whole = list(make_views(picture, 48, planned, transforms, "a", 0))
    pieces = list(make_views(picture, 48, planned, transforms, "a", 0, own_scale=True))
    assert all(piece.shape == (48, 48, 3) for piece in pieces)
    spread = [np.mean([view.std() for view in views]) for views in (whole, pieces)]
    assert spread[1] > 2 * spread[0]
    elsewhere = next(make_views(picture, 48, planned, transforms, "b", 0, own_scale=True))
    assert not np.array_equal(elsewhere, pieces[0])


def test_untouched_views_weigh_half():
    untouched = np.array([True] * 8 + [False] * 17)
    weights = sample_weights(untouched)
    assert weights.mean() == pytest.approx(1)
    assert weights[untouched].sum() == pytest.approx(weights[~untouched].sum())


DESIGN = Design(transforms=(), view=32, seed=0)


def folder_of(path: Path, seeds: range, side: int = 46) -> Corpus:
    """Write scenes as 000.png, 001.png and so on."""
    path.mkdir()
    for i, seed in enumerate(seeds):
        (path / f"{i:03d}.png").write_bytes(encode_png(scene(seed, side)))
    return open_corpus(f"folder:{path}")


def parquet_of(path: Path, side: int, **columns: list[str]) -> Corpus:
    images = [encode_png(scene(seed, side)) for seed in range(6)]
    pq.write_table(pa.table({"image": images, "label": [""] * 6, **columns}), path)
    return open_corpus(f"parquet:{path}")


def calibrating(tmp_path: Path, *others: Corpus) -> list[tuple[int, int]]:
    """Return how many photographs each of ``others`` has, and how many of these are counted."""
    own = folder_of(tmp_path / "own", range(100, 104))
    rows = choose_photographs(DESIGN, own.rows.assign(split="", used=True), own, others)
    return [(len(mine), int(mine["first"].sum())) for _, mine in rows.groupby("corpus")]


def test_choose_photographs_counts_different_photographs_of_equal_file_names(tmp_path):
    folders = [folder_of(tmp_path / name, range(start, start + 6)) for name, start in (("one", 0), ("two", 50))]
    assert calibrating(tmp_path, *folders) == [(6, 6), (6, 6)]


def test_choose_photographs_counts_rows_without_ids_of_two_files(tmp_path):
    files = [parquet_of(tmp_path / f"{side}.parquet", side) for side in (46, 60)]
    assert calibrating(tmp_path, *files) == [(6, 6), (6, 6)]


@pytest.mark.parametrize("column", ["image_id", "base_id"])
def test_choose_photographs_counts_the_same_ids_of_two_files_once(tmp_path, column):
    ids = [f"source/{i}" for i in range(6)]
    files = [parquet_of(tmp_path / f"{side}.parquet", side, **{column: ids}) for side in (46, 120)]
    assert calibrating(tmp_path, *files) == [(6, 6), (6, 0)]


def test_choose_photographs_counts_a_folder_that_is_given_twice_once(tmp_path):
    folder = folder_of(tmp_path / "one", range(6))
    assert calibrating(tmp_path, folder, folder) == [(6, 6), (6, 0)]
