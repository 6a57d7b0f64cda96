from __future__ import annotations

import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

import probing_core
import probing_core.api.diff as diff_module
from probing_core.api.diff_results import parse_bound
from probing_core.errors import BadConfig
from tests.diffs.photographs import photographs, quick_candidates


@pytest.fixture(autouse=True)
def _without_slow_candidates(monkeypatch):
    """No edit in this file is slow; `tests/diffs/test_search.py` has those that are."""
    monkeypatch.setattr(diff_module, "candidates", quick_candidates)


def saved(image: np.ndarray | Pillow.Image, path: Path, **options: object) -> Path:
    picture = image if isinstance(image, Pillow.Image) else Pillow.fromarray(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Pillow.open(buffer))


def test_diff_counts_equal_files_equal_pixels_and_changes(tmp_path):
    for i, image in enumerate(photographs()[:6]):
        before = saved(image, tmp_path / f"before/{i}.png", compress_level=1)
        if i < 2:
            (tmp_path / "after").mkdir(exist_ok=True)
            (tmp_path / f"after/{i}.png").write_bytes(before.read_bytes())
        elif i < 4:
            saved(image, tmp_path / f"after/{i}.png", compress_level=9)
        else:
            saved(image, tmp_path / f"after/{i}.jpg", quality=50)
    saved(photographs()[6], tmp_path / "before/alone.png")
    result = probing_core.diff(tmp_path / "before", tmp_path / "after")
    summary = result.summary
    assert (summary.equal_files, summary.equal_pixels, summary.changed) == (2, 2, 2)
    assert summary.unmatched == ("before: alone.png",)
    assert [(edit.name, edit.strength) for edit in summary.edits] == [("jpeg", 50)]
    assert [pair.name for pair in result.pairs] == [f"{i}.png" for i in range(6)]
    assert result.pairs[5].after.quality == 50
    assert result.pairs[5].after.subsampling == "4:2:0"


def test_diff_describes_what_is_done_to_a_few_images():
    befores = list(photographs()[:8])
    afters = [as_jpeg(image, 40) if i == 3 else image.copy() for i, image in enumerate(befores)]
    result = probing_core.diff(befores, afters)
    assert (result.summary.equal_pixels, result.summary.changed) == (7, 1)
    assert result.summary.edits[0].strength == 40
    assert [pair.kind for pair in result.pairs].count("changed") == 1


def test_diff_marks_pairs_that_deviate():
    befores = list(photographs()[:8])
    afters = [255 - image if i == 6 else as_jpeg(image, 30 + i) for i, image in enumerate(befores)]
    result = probing_core.diff(befores, afters)
    assert [edit.name for edit in result.summary.edits] == ["jpeg"]
    assert [pair.name for pair in result.pairs if pair.deviates] == ["image 6"]
    assert result.pairs[6].edits[0].name == "invert"
    assert (result.summary.edits[0].low, result.summary.edits[0].high) == (30, 37)


def test_diff_applies_a_function_and_reads_every_kind_of_image():
    import torch

    image = photographs()[0]
    kinds = (image, Pillow.fromarray(image), torch.from_numpy(image).permute(2, 0, 1))
    for kind in kinds:
        result = probing_core.diff(kind, lambda image: image[:, ::-1])
        assert result.summary.sentence == "Mirrored."
    batch = np.stack([image, image[::-1]])
    assert len(probing_core.diff(batch, lambda image: image).pairs) == 2


def test_a_resized_image_keeps_its_filter_and_edit():
    befores = list(photographs()[:3])
    afters = []
    for image in befores:
        small = Pillow.fromarray(image).resize((image.shape[1] // 2, image.shape[0] // 2), Pillow.Resampling.LANCZOS)
        afters.append(as_jpeg(np.asarray(small), 70))
    summary = probing_core.diff(befores, afters).summary
    assert summary.geometry == (("resized by 0.5 (lanczos)", 3),)
    assert [(edit.name, edit.low, edit.high) for edit in summary.edits] == [("jpeg", 70, 70)]


def test_resizing_alone_leaves_nothing_to_explain():
    befores = list(photographs()[:2])
    afters = [np.asarray(Pillow.fromarray(image).resize((64, 64), Pillow.Resampling.BOX)) for image in befores]
    result = probing_core.diff(befores, afters)
    assert result.summary.named
    assert not result.summary.edits
    assert result.summary.geometry == (("resized to 64 × 64 (box)", 2),)


def resized(image: np.ndarray, filter: Pillow.Resampling, factor: float = 0.5) -> np.ndarray:
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(Pillow.fromarray(image).resize(size, filter))


@pytest.mark.parametrize("quality", [3, 83])
def test_any_jpeg_quality_is_exact(quality):
    found = [probing_core.diff(image, as_jpeg(image, quality)).summary.edits for image in photographs()[:3]]
    assert [[(edit.name, edit.strength) for edit in edits] for edits in found] == [[("jpeg", quality)]] * 3


def test_jpeg_quality_after_resizing_is_exact():
    for image in photographs()[:2]:
        summary = probing_core.diff(image, as_jpeg(resized(image, Pillow.Resampling.BICUBIC), 53)).summary
        assert [(edit.name, edit.strength) for edit in summary.edits] == [("jpeg", 53)]


def test_pairs_of_one_pipeline_share_a_resize_filter():
    befores = [image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2] for image in photographs()[:4]]
    halves = [cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC) for image in befores]
    afters = [as_jpeg(image, 40) for image in halves]
    summary = probing_core.diff(befores, afters).summary
    assert summary.geometry == (("resized by 0.5 (OpenCV cubic)", 4),)
    assert [(edit.name, edit.low, edit.high) for edit in summary.edits] == [("jpeg", 40, 40)]


def test_different_resize_filters_are_described_once():
    methods = [Pillow.Resampling.NEAREST, Pillow.Resampling.LANCZOS] * 2
    afters = [resized(image, method) for image, method in zip(photographs(), methods, strict=False)]
    summary = probing_core.diff(list(photographs()[:4]), afters).summary
    assert summary.geometry == (("resized by 0.5 (nearest neighbor or lanczos)", 4),)


HOSTILE = {
    "gray": ("png", lambda picture: (picture.convert("L"), {})),
    "cmyk": ("jpg", lambda picture: (picture.convert("CMYK"), {"quality": 95})),
    "palette": ("png", lambda picture: (picture.quantize(16), {})),
    "animated": ("gif", lambda picture: (picture, {"save_all": True, "append_images": [picture.rotate(90)]})),
    "squashed": ("png", lambda picture: (picture.resize((90, 31)), {})),
    "tiny": ("png", lambda picture: (picture.resize((1, 1)), {})),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_unusual_files_are_compared(kind, tmp_path):
    picture = Pillow.fromarray(photographs(64)[1])
    ending, convert = HOSTILE[kind]
    converted, options = convert(picture)
    before = saved(picture, tmp_path / "before.png")
    after = saved(converted, tmp_path / f"after.{ending}", **options)
    result = probing_core.diff(before, after)
    assert result.summary.changed == 1
    assert str(result)
    json.dumps(result.to_json(), allow_nan=False)


def test_orientation_alpha_and_16_bits_are_described(tmp_path):
    import cv2

    image = photographs()[1]
    exif = Pillow.Exif()
    exif[274] = 6
    turned = saved(np.rot90(image).copy(), tmp_path / "turned.png", exif=exif)
    plain = saved(image, tmp_path / "plain.png")
    result = probing_core.diff(plain, turned)
    assert result.summary.equal_pixels == 1
    assert "orientation" in result.pairs[0].notes[0]
    transparent = Pillow.fromarray(image)
    transparent.putalpha(128)
    assert probing_core.diff(plain, saved(transparent, tmp_path / "alpha.png")).pairs[0].notes
    deep = tmp_path / "deep.png"
    deep.write_bytes(cv2.imencode(".png", image[..., ::-1].astype(np.uint16) * 256)[1].tobytes())
    assert probing_core.diff(plain, deep).summary.equal_pixels == 1


def test_an_unreadable_half_does_not_stop_the_others(tmp_path):
    for i, image in enumerate(photographs()[:3]):
        saved(image, tmp_path / f"before/{i}.png")
        saved(255 - image, tmp_path / f"after/{i}.png")
    (tmp_path / "after/1.png").write_bytes(b"not an image")
    result = probing_core.diff(tmp_path / "before", tmp_path / "after")
    assert (result.summary.unreadable, result.summary.changed) == (1, 2)
    assert "after" in result.pairs[1].error
    assert result.summary.edits[0].name == "invert"


def test_a_table_names_the_pairs(tmp_path):
    image = photographs()[0]
    saved(image, tmp_path / "a.png")
    saved(255 - image, tmp_path / "b.png")
    rows = pd.DataFrame({"id": [1], "after": ["b.png"], "before": ["a.png"]})
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    rows.to_parquet(tmp_path / "pairs.parquet")
    for name in ("pairs.csv", "pairs.parquet"):
        assert probing_core.diff(tmp_path / name).summary.edits[0].name == "invert"


def test_same_names_with_several_endings_are_not_confused(tmp_path):
    image = photographs()[0]
    for folder in ("before", "after"):
        saved(image, tmp_path / folder / "a.png")
        saved(image, tmp_path / folder / "sub/a.png")
    saved(image, tmp_path / "before/a.bmp")
    result = probing_core.diff(tmp_path / "before", tmp_path / "after")
    assert [pair.name for pair in result.pairs] == ["a.png", "sub/a.png"]
    assert result.summary.unmatched == ("before: a.bmp",)


SMALL = np.zeros((9, 9, 3), np.uint8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([SMALL], []),
        ("no.csv", None),
        ("no-image.png", None),
        ("~nobody-has-this-name/a.png", "b.png"),
        ("a.png", "~nobody-has-this-name/b.png"),
        ("a" * 5000, None),
        ("a\0b", None),
        ([SMALL], None),
        ([SMALL] * 9, SMALL),
        ([SMALL] * 6, "folder"),
        ([SMALL] * 6, Path("folder")),
    ],
)
def test_what_cannot_be_matched_is_refused(before, after):
    with pytest.raises(BadConfig):
        probing_core.diff(before, after)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "bytes", "empty rows"])
def test_tables_that_cannot_be_read_are_refused(tmp_path, kind):
    table = tmp_path / ("pairs.parquet" if kind == "bytes" else "pairs.csv")
    if kind == "pipe":
        os.mkfifo(table)
    elif kind == "device":
        table.symlink_to("/dev/zero")
    elif kind == "folder":
        table.mkdir()
    elif kind == "bytes":
        pd.DataFrame({"before": [b"\xff"], "after": [b"a"]}).to_parquet(table)
    else:
        table.write_text("before,after\n,\n")
    with pytest.raises(BadConfig, match=r"pairs\."):
        probing_core.diff(table, None)


def test_an_unknown_home_folder_in_a_table_is_an_error_of_its_pair(tmp_path):
    (tmp_path / "pairs.csv").write_text("before,after\n~nobody-has-this-name/a.png,b.png\n")
    (pair,) = probing_core.diff(tmp_path / "pairs.csv", None).pairs
    assert "a.png" in pair.error


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (40, 3), (8, 8), (8, 50), (9, 16)])
def test_small_images_are_compared(size):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    result = probing_core.diff(image, image[: size[0], : size[1]])
    assert result.summary.changed == 1


def test_hashes_measure_recall_and_movement():
    befores = list(photographs()[:8])
    result = probing_core.diff(befores, [image.copy() for image in befores])
    for effect in result.models:
        assert (effect.shift.value, effect.found.value, effect.recall.value) == (0, 1, 1)
        assert effect.gallery >= len(befores)
    upside_down = probing_core.diff(befores, [image[::-1] for image in befores])
    assert all(effect.recall.value < 1 for effect in upside_down.models)
    assert upside_down.fails("recall<0.99")
    assert not result.fails("recall<0.99")
    assert not result.fails("changed")
    assert upside_down.fails("changed")


@pytest.mark.parametrize("condition", ["recall", "recall<", "speed<1", "recall<0.5; x"])
def test_an_invalid_condition_is_refused(condition):
    with pytest.raises(BadConfig):
        parse_bound(condition)


def test_a_transformation_of_a_plug_in_is_a_candidate(monkeypatch):
    from probing_core.diffs.candidates import candidates
    from probing_core.transforms import CATALOG
    from probing_core.transforms.transformation import Transform

    def stripes(image: np.ndarray, width: float, rng: np.random.Generator) -> np.ndarray:
        striped = image.copy()
        striped[:: int(width)] //= 2
        return striped

    entry = Transform(
        name="stripes", group="overlay", parameter="width", unit="px", weakest=8, strongest=2, distribution="integer",
        definition="Darkens rows.", library="NumPy", source="test", pixels=stripes,
    )  # fmt: skip
    monkeypatch.setattr(diff_module, "candidates", candidates)
    with CATALOG.temporarily(entry):
        assert "stripes" in [candidate.name for candidate in candidates()]
        edits = probing_core.diff(photographs()[1], stripes(photographs()[1], 5, np.random.default_rng())).summary.edits
    assert [(edit.name, edit.strength) for edit in edits] == [("stripes", 5)]
