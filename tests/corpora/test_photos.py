from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probing_core.corpora import photos
from probing_core.corpora.photos import (
    MIN_DEVIATION,
    MIN_SQUARE_SIDE,
    PHOTOGRAPHS,
    PhotosCorpus,
    spread_squares,
)
from probing_core.errors import BadCorpus
from probing_core.images.quality import NEAR_GRAY


@pytest.fixture(scope="module")
def corpus() -> PhotosCorpus:
    return PhotosCorpus()


def test_ten_photographs_of_twenty_views_each(corpus: PhotosCorpus) -> None:
    assert corpus.skipped == []
    assert corpus.rows.groupby("base_id").size().to_dict() == {photograph.name: 20 for photograph in PHOTOGRAPHS}
    assert (corpus.rows["label"] == corpus.rows["base_id"]).all()
    assert corpus.rows.groupby("split")["base_id"].nunique().to_dict() == {"train": 6, "val": 2, "test": 2}


def test_every_photograph_has_its_credits() -> None:
    assert all(one.author and one.license and one.source for one in PHOTOGRAPHS)


def test_views_are_squares_with_room_color_and_contrast(corpus: PhotosCorpus) -> None:
    for image_id in corpus.rows["image_id"]:
        image = corpus.load(image_id)
        height, width = image.shape[:2]
        assert height == width >= MIN_SQUARE_SIDE
        assert (image.max(axis=2) - image.min(axis=2)).mean() >= NEAR_GRAY
        half = height // 2
        for quarter in (image[:half, :half], image[:half, -half:], image[-half:, :half], image[-half:, -half:]):
            assert quarter.mean(axis=2).std() > MIN_DEVIATION - 1.5


def test_views_of_a_photograph_differ(corpus: PhotosCorpus) -> None:
    """No two share nine tenths of what they cover together, counted on every fourth pixel."""
    for _, image in corpus.photographs():
        squares = spread_squares(image)
        assert len({side for _, _, side in squares}) == 5
        covered = np.zeros((len(squares), *image.shape[:2]), np.float32)
        for plane, (top, left, side) in zip(covered, squares, strict=True):
            plane[top : top + side, left : left + side] = 1
        covered = covered[:, ::4, ::4].reshape(len(squares), -1)
        common, area = covered @ covered.T, covered.sum(axis=1)
        shared = common / (area[:, None] + area[None, :] - common)
        assert (shared - np.eye(len(squares))).max() < 0.9


def test_loading_gives_a_copy(corpus: PhotosCorpus) -> None:
    corpus.load("chelsea/00")[:] = 0
    assert corpus.load("chelsea/00").mean() > 50


def test_a_photograph_that_is_not_shipped_is_left_out_and_said(corpus: PhotosCorpus, monkeypatch) -> None:
    moved = replace(PHOTOGRAPHS[0], path="data/gone.png")
    monkeypatch.setattr(photos, "PHOTOGRAPHS", (moved, *PHOTOGRAPHS[1:]))
    without = PhotosCorpus()
    assert without.skipped == [("astronaut", "the installed skimage does not include data/gone.png")]
    assert "astronaut missing" in without.description
    assert len(without.rows) == len(corpus.rows) - 20
    assert without.fingerprint != corpus.fingerprint
    kept = corpus.rows[corpus.rows["base_id"] != "astronaut"].reset_index(drop=True)
    assert without.rows.equals(kept)
    monkeypatch.setattr(photos, "PHOTOGRAPHS", (replace(PHOTOGRAPHS[0], package="no_such_package"),))
    with pytest.raises(BadCorpus, match="Reinstall"):
        PhotosCorpus()


@pytest.mark.parametrize("shape", [(100, 300, 3), (176, 176, 3), (60, 60, 3), (177, 400, 3)])
def test_small_pictures_give_what_they_can(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    squares = spread_squares(noise)
    assert squares[0][2] == min(shape[:2])
    assert len(set(squares)) == len(squares) >= 1
    for top, left, side in squares:
        assert top >= 0 <= left
        assert top + side <= shape[0]
        assert left + side <= shape[1]


def test_an_empty_picture_gives_no_view() -> None:
    assert spread_squares(np.full((300, 300, 3), (10, 20, 200), np.uint8)) == []
