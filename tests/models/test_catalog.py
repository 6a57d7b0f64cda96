from __future__ import annotations

import time

import numpy as np
import pytest

from probing_core.errors import BadConfig, BadImage, ModelUnavailable, UnknownName
from probing_core.images import encode_png
from probing_core.models import CATALOG, bundled, find_spec, from_callable, hub, load_embedder, register
from probing_core.models.providers.handcrafted import FEATURES, statistics
from tests.conftest import scene
from tests.models.made import pictures
from tests.models.published import put_snapshot

pytestmark = pytest.mark.slow

HASHES = ("baseline/dhash", "baseline/phash")


@pytest.mark.parametrize("spec", CATALOG.all, ids=lambda spec: spec.name)
def test_every_entry_says_what_it_is(spec):
    assert spec.objective
    assert spec.license
    assert spec.weights
    availability = spec.check()
    assert availability.available or availability.why_not
    assert find_spec_or_reason(spec.name)


def find_spec_or_reason(name):
    try:
        return find_spec(name)
    except ModelUnavailable as error:
        return str(error)


@pytest.mark.parametrize("name", [*bundled(), *HASHES])
def test_bundled_models_embed_any_size_and_keep_their_promises(name):
    embedder = load_embedder(name)
    spec = find_spec(name)
    embeddings = embedder.embed(pictures())
    assert embeddings.shape == (3, spec.dim)
    assert embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all()
    assert embedder.name == name
    assert embedder.recipe() == load_embedder(name).recipe()
    np.testing.assert_array_equal(embeddings, embedder.embed(pictures()))
    embedder.close()


def test_published_dimensions_follow_from_the_architectures():
    import timm
    import torch

    for spec in CATALOG.all:
        if spec.name.startswith("timm:"):
            with torch.device("meta"):
                model = timm.create_model(spec.name.removeprefix("timm:"), pretrained=False)
            assert (model.num_features, model.pretrained_cfg["input_size"][1]) == (spec.dim, spec.input_size), spec.name


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("zoo/mea", UnknownName, "Did you mean 'zoo/mae'"),
        ("resnet50", UnknownName, "'timm:resnet50'"),
        ("tf_efficientnet_lite0", UnknownName, "Did you mean 'timm:tf_efficientnet_lite0'"),
        ("simclr", UnknownName, "'zoo/simclr'"),
        ("some/repo", UnknownName, "'hf:some/repo'"),
        ("/a/b.onnx", UnknownName, "'onnx:/a/b.onnx'"),
        ("tim:resnet50", UnknownName, "Did you mean 'timm'"),
        ("baseline/pixels@layer=2", BadConfig, "Supported: none"),
        ("baseline/dhash@seed=2", BadConfig, "Supported: none"),
        ("style:arbitrary", UnknownName, "'style:' is not a known model type"),
        ("timm:tf_efficientnet_lite0@pool=cls", BadConfig, "no class token"),
        ("timm:vit_base_patch16_224.mae", ModelUnavailable, "did not respond"),
        ("hf:kakaobrain/align-base", ModelUnavailable, "did not respond"),
        ("open_clip:ViT-B-16/openai", ModelUnavailable, "did not respond"),
        ("torchvision:resnet50", ModelUnavailable, "did not respond"),
        ("slip:clip_base_25ep", ModelUnavailable, "did not respond"),
    ],
)
def test_what_cannot_be_loaded_gets_one_sentence(name, error, words):
    with pytest.raises(error, match=words) as caught:
        load_embedder(name)
    assert "\n" not in str(caught.value)


def test_a_silent_network_is_given_up_in_time(monkeypatch):
    def silent(*args, **kwargs):
        time.sleep(60)
        raise TimeoutError

    monkeypatch.setattr("urllib.request.urlopen", silent)
    monkeypatch.setattr(hub, "TIMEOUT_S", 0.2)
    with pytest.raises(ModelUnavailable, match="did not respond"):
        load_embedder("hf:nobody/nothing")


def test_offline_is_obeyed_at_once(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "answers", lambda url, seconds: pytest.fail("the network was asked"))
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE"):
        load_embedder("hf:nobody/nothing")


def test_weights_on_disk_need_no_network(monkeypatch, tmp_path):
    snapshot = put_snapshot(tmp_path, "timm/vit_base_patch16_224.mae")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not CATALOG.get("timm:vit_base_patch16_224.mae").check().available
    (snapshot / "model.safetensors").write_bytes(b"broken")
    assert CATALOG.get("timm:vit_base_patch16_224.mae").check().available
    with pytest.raises(ModelUnavailable, match="could not be read as weights"):
        load_embedder("timm:vit_base_patch16_224.mae")


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("shape", [(16, 16, 3), (40, 200, 3)])
def test_handcrafted_statistics_are_finite_on_flat_pictures(value, shape):
    features = statistics([np.full(shape, value, np.uint8)])[0]
    assert features.shape == (len(FEATURES),)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("name", ["baseline/pixels", "baseline/handcrafted", "mine/mean", "zoo/mae", *HASHES])
def test_arrays_that_are_no_pictures_are_refused_and_gray_ones_become_rgb(name):
    register(from_callable("mine/mean", lambda images: np.array([image.mean((0, 1)) for image in images]), 3))
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    embedder = load_embedder(name)
    with pytest.raises(BadImage, match="float64"):
        embedder.embed([image, image / 255])
    gray = image[..., 0]
    np.testing.assert_array_equal(embedder.embed([gray]), embedder.embed([np.dstack([gray] * 3)]))


@pytest.mark.parametrize("name", ["baseline/pixels", "baseline/dhash", "zoo/mae"])
def test_embed_accepts_one_image_in_every_form(name, tmp_path):
    torch = pytest.importorskip("torch")
    embedder = load_embedder(name, device="cpu")
    pixels = scene(1, 48)
    path, tensor = tmp_path / "a.png", torch.from_numpy(pixels).permute(2, 0, 1)
    path.write_bytes(encode_png(pixels))
    expected = embedder.embed([pixels])
    for form in (
        pixels,
        path,
        str(path),
        path.read_bytes(),
        tensor,
        tensor / 255,
        tensor[None],
        [tensor],
        pixels[None],
    ):
        np.testing.assert_allclose(embedder.embed(form), expected, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(tensor.bfloat16() / 255), expected, atol=0.2 * np.abs(expected).max())
    for none in ([], torch.zeros(0, 3, 8, 8), np.zeros((0, 8, 8, 3), np.uint8)):
        assert embedder.embed(none).shape == (0, embedder.dim)
    for size in ((1, 1), (1, 9), (3, 2)):
        assert np.isfinite(embedder.embed(pixels[: size[0], : size[1]])).all()
    for empty in (torch.zeros(3, 0, 5), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(BadImage):
            embedder.embed(empty)
