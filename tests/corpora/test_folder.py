from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from probing_core.corpora import open_corpus
from probing_core.corpora.folder import FolderCorpus
from probing_core.errors import BadCorpus, BadImage
from probing_core.images import encode_jpeg
from tests.corpora.pictures import made, made_png


def fill(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(made_png(number))
    return root


def columns(corpus: FolderCorpus) -> list[tuple[str, str, str]]:
    return list(corpus.rows[["image_id", "label", "split"]].itertuples(index=False, name=None))


def test_subfolders_are_labels_in_the_order_of_names(tmp_path: Path) -> None:
    corpus = FolderCorpus(fill(tmp_path, "dog/b.png", "dog/a.jpg", "cat/deep/c.png", "lone.png"))
    assert columns(corpus) == [
        ("cat/deep/c.png", "cat", ""),
        ("dog/a.jpg", "dog", ""),
        ("dog/b.png", "dog", ""),
        ("lone.png", "", ""),
    ]
    assert np.array_equal(corpus.load("dog/a.jpg"), made(1))


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    assert columns(FolderCorpus(fill(tmp_path, "b.png", "a.png"))) == [("a.png", "", ""), ("b.png", "", "")]


def test_train_val_test_are_splits_if_exactly_they_are_there(tmp_path: Path) -> None:
    fill(tmp_path, "train/dog/a.png", "val/dog/b.png", "test/c.png", "stray.png")
    corpus = FolderCorpus(tmp_path)
    assert columns(corpus) == [
        ("test/c.png", "", "test"),
        ("train/dog/a.png", "dog", "train"),
        ("val/dog/b.png", "dog", "val"),
    ]
    assert corpus.skipped == [("stray.png", "is not in one of the folders train, val or test")]
    assert corpus.skipped_summary == "1 file was skipped. stray.png: is not in one of the folders train, val or test."
    fill(tmp_path, "other/a.png")
    assert set(FolderCorpus(tmp_path).rows["label"]) == {"train", "val", "test", "other", ""}


@pytest.mark.parametrize("depth", ["", "dog/"])
@pytest.mark.parametrize(
    "parts",
    [
        ("train", "test"),
        ("train", "val"),
        ("val", "test"),
        ("train", "validation", "test"),
        ("Train", "Test"),
        ("train", "val", "test", "dev"),
    ],
)
def test_folder_corpus_refuses_incomplete_splits(tmp_path: Path, parts: tuple[str, ...], depth: str) -> None:
    fill(tmp_path, *(f"{part}/{depth}a.png" for part in parts), "stray.png")
    with pytest.raises(BadCorpus) as caught:
        FolderCorpus(tmp_path)
    missing = {"train", "val", "test"} - set(parts)
    assert all(name in str(caught.value) for name in (*parts, *missing))


def test_folder_corpus_refuses_one_split_with_labels(tmp_path: Path) -> None:
    with pytest.raises(BadCorpus, match="val, test missing"):
        FolderCorpus(fill(tmp_path, "train/dog/a.png", "train/cat/b.png"))


def test_folder_corpus_accepts_a_label_that_is_the_name_of_a_split(tmp_path: Path) -> None:
    assert set(FolderCorpus(fill(tmp_path / "one", "train/a.png", "b.png")).rows["label"]) == {"train", ""}
    assert set(FolderCorpus(fill(tmp_path / "two", "train/a.png", "plane/b.png")).rows["label"]) == {"train", "plane"}


def test_what_cannot_be_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    fill(tmp_path, "good.png", ".hidden/a.png", ".hidden.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "cut.jpg").write_bytes(encode_jpeg(made(5, 200))[:-400])
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"latin-\xe9.png")).write_bytes(made_png(9))
    corpus = FolderCorpus(tmp_path)
    assert corpus.rows["image_id"].tolist() == ["good.png"]
    reasons = dict(corpus.skipped)
    assert len(reasons) == 5
    assert "is text" in reasons["notes.txt"]
    assert "truncated" in reasons["cut.jpg"]
    assert "is empty" in reasons["empty.png"]
    assert "not a regular file" in reasons["pipe"]
    assert "its name is not valid Unicode" in reasons.values()


def test_damage_inside_a_picture_is_refused_at_loading(tmp_path: Path) -> None:
    fill(tmp_path, "good.png")
    pillow.fromarray(made(7, 200)).save(tmp_path / "inside.bmp")
    os.truncate(tmp_path / "inside.bmp", 60_000)
    corpus = FolderCorpus(tmp_path)
    with pytest.raises(BadImage, match=r"inside\.bmp is a BMP of 200 x 200 pixels with corrupted"):
        corpus.load("inside.bmp")


def test_links_are_followed_to_files_inside_alone(tmp_path: Path) -> None:
    root, outside = fill(tmp_path / "root", "a/one.png"), fill(tmp_path / "outside", "secret.png")
    (root / "inside.png").symlink_to(root / "a" / "one.png")
    (root / "outside.png").symlink_to(outside / "secret.png")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "broken.png").symlink_to(root / "gone.png")
    (root / "itself.png").symlink_to("itself.png")
    corpus = FolderCorpus(root)
    assert corpus.rows["image_id"].tolist() == ["a/one.png", "inside.png"]
    assert sorted(name for name, _ in corpus.skipped) == ["broken.png", "folder", "itself.png", "loop", "outside.png"]
    assert corpus.skipped_summary.startswith("5 files were skipped. ")
    assert corpus.skipped_summary.endswith("; ...")


def test_only_images_of_the_corpus_can_be_loaded(tmp_path: Path) -> None:
    """The IDs in a run from somebody else may be any names."""
    secret = tmp_path / "secret.png"
    fill(tmp_path, "secret.png", "corpus/own.png", "corpus/.hidden.png")
    corpus = open_corpus(f"folder:{tmp_path / 'corpus'}")
    assert corpus.load("own.png").ndim == 3
    for name in ("../secret.png", str(secret), "./own.png", "x/../own.png", ".hidden.png", "missing.png", ""):
        with pytest.raises(BadImage, match="not an image of"):
            corpus.load(name)


def test_a_folder_that_cannot_be_listed_is_listed_as_skipped(tmp_path: Path, unlistable) -> None:
    unlistable(fill(tmp_path, "a/one.png", "b/two.png") / "b")
    corpus = FolderCorpus(tmp_path)
    assert corpus.rows["image_id"].tolist() == ["a/one.png"]
    assert corpus.skipped == [("b", "cannot be listed (Permission denied)")]


def test_copies_share_their_base_image_and_never_stand_in_two_splits(tmp_path: Path) -> None:
    fill(tmp_path / "flat", "a.png", "b.png")
    shutil.copy(tmp_path / "flat" / "a.png", tmp_path / "flat" / "copy.png")
    assert FolderCorpus(tmp_path / "flat").rows["base_id"].tolist() == ["a.png", "b.png", "a.png"]
    fill(tmp_path / "split", "train/a.png", "val/b.png", "test/c.png")
    shutil.copy(tmp_path / "split" / "train" / "a.png", tmp_path / "split" / "val" / "copy.png")
    corpus = FolderCorpus(tmp_path / "split")
    assert corpus.skipped == [("val/copy.png", "has the same bytes as train/a.png, which is in a different split")]


def test_the_fingerprint_is_of_contents_and_names_not_of_the_place(tmp_path: Path) -> None:
    first = FolderCorpus(fill(tmp_path / "here", "a/1.png", "b/2.png")).fingerprint
    assert FolderCorpus(fill(tmp_path / "there", "a/1.png", "b/2.png")).fingerprint == first
    (tmp_path / "there" / "b" / "2.png").write_bytes(made_png(50))
    assert FolderCorpus(tmp_path / "there").fingerprint != first
    shutil.move(tmp_path / "here" / "a", tmp_path / "here" / "c")
    assert FolderCorpus(tmp_path / "here").fingerprint != first


def test_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    for name, message in (
        ("gone", "does not exist"),
        ("file", "is not a folder"),
        ("empty", "The folder is empty"),
        ("texts", "First reason: a.txt is text"),
    ):
        with pytest.raises(BadCorpus, match=message):
            open_corpus(f"folder:{tmp_path / name}")
