"""`probing_core.parity`: planted faults are found, and pipelines that are alike are told to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image as pillow

import probing_core
from lab.evidence.parity import BEGIN, INPUT_SIZE, OF_ANY_SIZE, PAGE, ByHand, planted
from probing_core.api.parity import LIST, read_vectors, write_golden
from probing_core.compute.parity.pictures import golden_pictures
from probing_core.errors import BadArray, BadConfig, ModelUnavailable


@pytest.fixture(scope="module")
def embedder():
    return probing_core.load_embedder("zoo/mae", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def faults(embedder):
    return planted(ByHand(embedder))


def compared(a, b, **asked):
    return probing_core.parity(a, b, device="cpu", **asked)


def test_the_same_steps_by_another_library_are_alike(embedder, faults):
    found = compared(embedder, faults["nothing: torchvision's transforms"])
    assert found.alike
    assert found.largest < 1e-4
    assert found.scale["shift"].is_monotonic_increasing
    assert len(found.scale) > 5
    assert 0 < found.scale["shift"].iloc[0] < found.scale["shift"].iloc[-1] < 1


@pytest.mark.parametrize(
    ("fault", "steps"),
    [
        ("BGR for RGB", [("order of colors", "BGR")]),
        ("another mean and deviation (0.5 and 0.5)", [("mean and deviation", "0.5 and 0.5")]),
        ("a resize without antialiasing", [("resize", "PyTorch's bicubic interpolation, without antialiasing")]),
        ("float16 that overflows in a norm", [("overflow", "float16"), ("precision", "float16")]),
        ("a shuffled batch", [("order of vectors", "other rows")]),
        ("vectors scaled to length 1", [("length", "length 1")]),
        (
            'files opened by `convert("RGB")` of Pillow',
            [("decoding", "EXIF"), ("decoding", "hidden colors"), ("decoding", "16 bits")],
        ),
    ],
)
def test_a_planted_fault_is_found(fault, steps, embedder, faults):
    found = compared(embedder, faults[fault])
    assert not found.alike
    assert [finding.step for finding in found.findings] == [step for step, _ in steps]
    for finding, (_, words) in zip(found.findings, steps, strict=True):
        assert words in finding.words
    if "overflow" not in fault:
        assert found.left < 0.001


def test_two_faults_at_once_are_found(embedder, faults):
    found = compared(embedder, faults["BGR, and another mean and deviation"])
    assert sorted(one.step for one in found.findings) == ["mean and deviation", "order of colors"]
    assert found.left < 1e-4


def test_a_pipeline_that_overflows_is_told_whichever_comes_first():
    embedder = probing_core.load_embedder("baseline/pixels")

    def overflowing(images):
        return np.full((len(images), embedder.dim), np.nan)

    for a, b in ((overflowing, embedder), (embedder, overflowing)):
        found = compared(a, b)
        assert not found.alike
        assert [(one.step, one.pictures) for one in found.findings] == [("overflow", 44)]
        assert "overflowing" in found.findings[0].pipeline


def test_another_precision_is_found():
    rounded = probing_core.load_embedder("zoo/mae", device="cpu", precision="bfloat16")
    found = compared("zoo/mae", rounded, tolerance=0.001)
    assert [one.words for one in found.findings] == ["the network is computed in bfloat16"]
    assert found.left < 0.001


@pytest.mark.slow
def test_another_input_size_is_found_where_the_network_takes_others():
    embedder = probing_core.load_embedder(OF_ANY_SIZE, device="cpu", precision="float32")
    found = compared(embedder, lambda images: ByHand(embedder)(images, side=192))
    assert [finding.words for finding in found.findings] == ["the input has 192 x 192 pixels"]
    assert found.left < 1e-4


def test_the_pipeline_that_can_be_called_is_the_one_that_is_tried(embedder, faults):
    vectors = faults["BGR for RGB"]([picture.decode() for picture in golden_pictures()])
    found = compared(vectors, embedder)
    assert [(one.step, one.pipeline) for one in found.findings] == [("order of colors", "A")]


def test_a_network_is_tried_rather_than_a_function_whichever_comes_first(embedder, faults):
    fault = faults["a resize without antialiasing"]
    for pair in ((embedder, fault), (fault, embedder)):
        found = compared(*pair)
        assert [one.step for one in found.findings] == ["resize"]
        assert found.left < 0.001


SIDE = 128
"""Pixels of the side to which `gradients` resizes."""


def gradients(images, how=pillow.Resampling.BILINEAR, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)):
    """A function that prepares pictures by itself: values and edges on a grid of 8 x 8."""
    rows = []
    for image in images:
        scale = SIDE / min(image.shape[:2])
        size = [max(SIDE, int(side * scale)) for side in image.shape[1::-1]]
        left, top = ((length - SIDE) // 2 for length in size)
        resized = pillow.fromarray(image).resize(size, how).crop((left, top, left + SIDE, top + SIDE))
        numbers = (np.asarray(resized) / 255 - mean) / std
        edges = [np.abs(np.diff(numbers, axis=axis, prepend=0)) for axis in (0, 1)]
        grid = np.concatenate([numbers, *edges], axis=2).reshape(8, SIDE // 8, 8, SIDE // 8, 9)
        rows.append(grid.mean(axis=(1, 3)).ravel())
    return np.stack(rows).astype(np.float32)


def vectors_of(**fault):
    images = [picture.decode() for picture in golden_pictures()]
    return gradients([image[..., ::-1] for image in images] if fault.pop("bgr", False) else images, **fault)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"bgr": True}, [("order of colors", "BGR")]),
        ({"how": pillow.Resampling.NEAREST}, [("resize", "resized to 128 pixels by Pillow's nearest filter")]),
        ({"how": pillow.Resampling.LANCZOS}, [("resize", "resized to 128 pixels by Pillow's lanczos filter")]),
        ({"mean": 0.5, "std": 0.5}, [("mean and deviation", "values from −1 to 1, in place of ImageNet's")]),
        (
            {"bgr": True, "mean": 0.5, "std": 0.5},
            [("order of colors", "BGR"), ("mean and deviation", "in place of ImageNet's")],
        ),
    ],
)
def test_a_fault_beside_a_file_is_found_by_trying_pictures_that_go_into_a_function(fault, expected, tmp_path):
    np.save(tmp_path / "theirs.npy", vectors_of(**fault))
    for pair in ((gradients, str(tmp_path / "theirs.npy")), (str(tmp_path / "theirs.npy"), gradients)):
        found = compared(*pair, tolerance=0.002)
        assert not found.alike
        findings = sorted(found.findings, key=lambda one: one.step, reverse=True)
        assert [one.step for one in findings] == [step for step, _ in expected]
        for one, (_, words) in zip(findings, expected, strict=True):
            assert words in one.words
        assert found.findings[-1].left < 0.3 * found.shift
        assert found.untried == ""


def test_a_function_of_paths_is_tried_on_files_that_are_written_for_it(tmp_path):
    def from_files(paths):
        return gradients([probing_core.images.read_image(path) for path in paths])

    np.save(tmp_path / "theirs.npy", vectors_of(bgr=True))
    found = compared(from_files, str(tmp_path / "theirs.npy"))
    assert [(one.step, one.left) for one in found.findings] == [("order of colors", 0)]
    assert found.left == 0
    assert len(found.scale) > 5


def test_two_files_of_vectors_say_why_no_step_is_tried(tmp_path):
    for name, fault in (("a", {}), ("b", {"bgr": True})):
        np.save(tmp_path / f"{name}.npy", vectors_of(**fault))
    found = compared(str(tmp_path / "a.npy"), str(tmp_path / "b.npy"))
    assert not found.alike
    assert found.findings == ()
    assert found.untried.startswith("No step was tried, since both pipelines are known by their vectors alone; name")


def test_a_model_that_knows_no_steps_is_compared_too():
    found = compared("baseline/handcrafted", "baseline/handcrafted")
    assert found.alike
    embedder = probing_core.load_embedder("baseline/handcrafted")
    found = compared("baseline/handcrafted", lambda images: embedder.embed([image[..., ::-1] for image in images]))
    assert [one.step for one in found.findings] == ["order of colors"]


def test_vectors_come_back_from_elsewhere_in_every_format(tmp_path):
    count = write_golden(tmp_path / "golden")
    listed = pd.read_csv(tmp_path / "golden" / LIST)
    assert len(listed) == count == len(golden_pictures())
    embedder = probing_core.load_embedder("baseline/pixels")
    vectors = embedder.embed([probing_core.images.read_image(tmp_path / "golden" / name) for name in listed["file"]])
    backwards, names = vectors[::-1], listed["file"].tolist()[::-1]
    np.save(tmp_path / "plain.npy", vectors)
    np.save(tmp_path / "named.npy", backwards)
    pd.DataFrame({"file": names}).to_csv(tmp_path / "named.csv", index=False)
    np.save(tmp_path / "lines.npy", backwards)
    (tmp_path / "lines.txt").write_text("\n".join(f"golden/{name}" for name in names) + "\n")
    from safetensors.numpy import save_file

    save_file({"embeddings": vectors}, tmp_path / "tensor.safetensors")
    pd.DataFrame({"file": names, "embedding": list(backwards)}).to_parquet(tmp_path / "list.parquet")
    columns = pd.DataFrame(backwards, columns=[str(i) for i in range(vectors.shape[1])])
    columns.assign(file=names).to_parquet(tmp_path / "columns.parquet")
    files = ("plain.npy", "named.npy", "lines.npy", "tensor.safetensors", "list.parquet", "columns.parquet")
    for file in files:
        assert compared("baseline/pixels", str(tmp_path / file)).largest == 0, file


def test_a_function_of_paths_decodes_the_files_itself():
    embedder = probing_core.load_embedder("baseline/pixels")

    def from_files(paths):
        return embedder.embed([np.asarray(pillow.open(path).convert("RGB")) for path in paths])

    found = compared(embedder, from_files)
    moved = set(found.pictures.loc[found.pictures["shift"] > 0.01, "kind"])
    assert moved == {"EXIF", "alpha", "16 bit"}


def test_what_cannot_be_compared_is_told_in_one_sentence(tmp_path):
    with pytest.raises(BadArray, match=r"one row of numbers for each of 44 golden pictures, \(N, D\)"):
        compared("baseline/pixels", lambda images: np.ones(3))
    with pytest.raises(BadArray, match="'baseline/pixels' gives 768 numbers a picture and 'baseline/dhash' 64"):
        compared("baseline/pixels", "baseline/dhash")
    with pytest.raises(BadConfig, match="A tolerance is a shift, 0 or more; got -1"):
        compared("baseline/pixels", "baseline/pixels", tolerance=-1)
    with pytest.raises(ModelUnavailable, match="There is no file of vectors"):
        compared("baseline/pixels", str(tmp_path / "none.npy"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(BadConfig, match="holds other files"):
        write_golden(tmp_path / "full")


def test_names_that_are_missing_or_repeated_are_told(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((2, 3)))
    (tmp_path / "v.txt").write_text("a.png\na.png\n")
    with pytest.raises(ModelUnavailable, match="2 rows and 1 names"):
        read_vectors(tmp_path / "v.npy", ["a.png"])
    (tmp_path / "v.txt").write_text("a.png\nb.png\n")
    with pytest.raises(ModelUnavailable, match=r"no vector of 1 of 2 golden pictures, such as c\.png"):
        read_vectors(tmp_path / "v.npy", ["a.png", "c.png"])
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ModelUnavailable, match="could not be read as vectors"):
        read_vectors(tmp_path / "objects.npy", ["a.png"])


def test_the_page_has_a_row_for_each_planted_fault(faults):
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1]
    for fault in (*faults, INPUT_SIZE):
        assert f"| {fault} |" in table
