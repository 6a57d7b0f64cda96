"""`probing_core.parity`: pipelines that are alike are called so, and a planted fault shows as a shift."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as pillow

import probing_core
from probing_core.api.parity import LIST, Parity, read_vectors, write_golden
from probing_core.corpora.golden_pictures import golden_pictures
from probing_core.errors import BadArray, BadConfig, ModelUnavailable
from probing_core.models import Preprocessing
from probing_core.models.providers.onnx import OnnxEmbedder


def compared(a, b, **asked):
    return probing_core.parity(a, b, device="cpu", **asked)


def values(images, how=pillow.Resampling.BILINEAR):
    """A function that prepares pictures by itself: values on a grid of 8 x 8."""
    return np.stack([np.asarray(pillow.fromarray(image).resize((8, 8), how)).ravel() for image in images]) / 255 + 0.01


@pytest.mark.parametrize(
    "fault",
    [
        lambda images: values([image[..., ::-1] for image in images]),
        lambda images: values(images, pillow.Resampling.NEAREST),
        lambda images: np.roll(values(images), 1, axis=0),
        lambda images: values(images) / np.linalg.norm(values(images), axis=1, keepdims=True),
    ],
    ids=["BGR", "another filter", "other rows", "length 1"],
)
def test_a_shift_is_the_distance_in_units_of_that_between_two_photographs(fault):
    found = compared(values, lambda images: torch.from_numpy(fault(images)).requires_grad_())
    assert not found.alike
    first, second = (one([picture.decode() for picture in golden_pictures()]) for one in (values, fault))
    photographs = np.array([picture.kind == "photograph" for picture in golden_pictures()])
    mine = first[photographs]
    between = [np.linalg.norm(x - y) for i, x in enumerate(mine) for y in mine[:i]]
    expected = np.linalg.norm(first - second, axis=1) / np.mean(between)
    np.testing.assert_allclose(found.pictures["shift"], expected, rtol=1e-4)
    assert found.shift == pytest.approx(expected[photographs].mean(), rel=1e-4)
    cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    np.testing.assert_allclose(found.pictures["cosine"], cosine, atol=1e-5)
    assert f"differ: the largest embedding shift over {len(expected)} golden images" in str(found)
    assert "<table" in found._repr_html_()


def test_a_shift_is_as_far_as_the_faintest_alteration_that_moves_photographs_farther():
    found = compared(values, lambda images: values([np.minimum(image, 250) for image in images]))
    assert found.scale["shift"].is_monotonic_increasing
    assert set(found.scale["alteration"]) <= {t.name for t in probing_core.transforms.bank()}
    assert 0 < found.scale["shift"].iloc[0] < found.scale["shift"].iloc[-1]
    for row in found.pictures.itertuples():
        farther = found.scale.loc[found.scale["shift"] >= row.shift, "alteration"].tolist()
        assert row.as_far_as == (farther[0] if farther and row.shift else "")
    assert compared(values, values, tolerance=0).alike


def test_vectors_that_are_not_finite_are_infinitely_far_whichever_comes_first():
    def overflowing(images):
        return np.full((len(images), 192), np.nan)

    for pair in ((overflowing, values), (values, overflowing)):
        found = compared(*pair)
        assert np.isinf(found.pictures["shift"]).all()
        assert len(found.scale), "of the one that tells photographs apart"


def test_the_scale_is_of_the_pipeline_that_can_be_called(tmp_path):
    vectors = values([picture.decode() for picture in golden_pictures()])
    np.save(tmp_path / "a.npy", vectors)
    np.save(tmp_path / "b.npy", vectors[:, ::-1])
    assert compared(str(tmp_path / "a.npy"), values).alike
    assert len(compared(vectors, values).scale)
    alone = compared(str(tmp_path / "a.npy"), str(tmp_path / "b.npy"))
    assert alone.scale.empty
    assert not alone.alike


def test_named_models_are_compared():
    found = compared("baseline/handcrafted", "baseline/handcrafted")
    assert (found.alike, found.shift) == (True, 0)


def test_vectors_come_back_from_elsewhere_in_the_order_of_the_list(tmp_path):
    count = write_golden(tmp_path / "golden")
    listed = pd.read_csv(tmp_path / "golden" / LIST)
    assert len(listed) == count == len(golden_pictures())
    embedder = probing_core.load_embedder("baseline/pixels")
    vectors = embedder.embed([probing_core.images.read_image(tmp_path / "golden" / name) for name in listed["file"]])
    np.save(tmp_path / "back.npy", vectors)
    assert compared("baseline/pixels", str(tmp_path / "back.npy")).largest == 0
    assert compared("baseline/pixels", vectors[::-1]).largest > 0.1


def test_a_function_of_paths_decodes_the_files_itself():
    embedder = probing_core.load_embedder("baseline/pixels")

    def from_files(paths):
        return embedder.embed([np.asarray(pillow.open(path).convert("RGB")) for path in paths])

    found = compared(embedder, from_files)
    moved = set(found.pictures.loc[found.pictures["shift"] > 0.01, "kind"])
    assert moved == {"EXIF", "alpha", "16 bit"}


def test_what_cannot_be_compared_is_told_in_one_sentence(tmp_path):
    with pytest.raises(BadArray, match=r"array \(N, D\) with one row for each of the 44 golden images"):
        compared("baseline/pixels", lambda images: np.ones(3))
    with pytest.raises(BadArray, match="'baseline/pixels' has embedding dimension 768 and 'baseline/dhash' has 64"):
        compared("baseline/pixels", "baseline/dhash")
    with pytest.raises(BadConfig, match="must be finite and at least 0; got -1"):
        compared("baseline/pixels", "baseline/pixels", tolerance=-1)
    with pytest.raises(BadConfig, match="got x"):
        compared("baseline/pixels", "baseline/pixels", tolerance="x")
    with pytest.raises(ModelUnavailable, match="does not exist"):
        compared("baseline/pixels", str(tmp_path / "none.npy"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(BadConfig, match="contains other files"):
        write_golden(tmp_path / "full")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ModelUnavailable, match="Could not read embeddings"):
        read_vectors(tmp_path / "objects.npy")


def test_an_export_without_preprocessing_is_preprocessed_as_the_other_pipeline(tmp_path):
    export, how = str(tmp_path / "export.onnx"), Preprocessing((32, 32))
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten())
    torch.onnx.export(network, (torch.zeros(1, 3, 32, 32),), export, dynamo=False)
    with pytest.raises(ModelUnavailable, match="preprocessing of .* is unknown"):
        compared(export, values)
    original = OnnxEmbedder("original", tmp_path / "export.onnx", how)
    found = compared(original, export)
    assert found.largest == 0
    assert "is preprocessed like" in str(found)


def test_parity_escapes_names_in_notebooks():
    pictures = pd.DataFrame({"picture": ["a"], "kind": ["photograph"], "shift": [0.0], "cosine": [1.0]})
    scale = pd.DataFrame({"alteration": ["blur"], "shift": [1.0]})
    page = Parity("<b>mine</b>", "theirs", pictures, scale, 0.01)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;mine&lt;/b&gt;" in page


def test_parity_accepts_tensors_of_every_floating_type():
    expected = values([picture.decode() for picture in golden_pictures()]).astype(np.float32)
    tensor = torch.from_numpy(expected).requires_grad_()
    half = tensor.bfloat16()
    for vectors in (tensor, tensor.double(), list(tensor)):
        assert compared(vectors, expected).largest < 1e-5
    assert 0 < compared(half, expected).largest < 0.05
    with pytest.raises(BadArray):
        compared([[1.0, 2.0], [3.0]], expected)
