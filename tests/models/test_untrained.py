"""Networks with random weights, from which a time is estimated before a download."""

from __future__ import annotations

import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from lab.devtools.local_hub import REPOSITORIES, serving
from probing_core.errors import ModelUnavailable
from probing_core.models import compiled, hub, load_embedder
from probing_core.models.untrained import load_or_build
from tests.models.made import few_blocks, pictures
from tests.models.published import make_architectures_small
from tests.models.test_published_hub import no_network, small_repositories, use

__all__ = ["no_network"]

OFFLINE = {
    "timm:vit_base_patch16_224.mae": 343,
    "timm:test_vit.r160_in1k": None,
    "torchvision:resnet18": 45,
    "open_clip:ViT-B-16/openai": 599,
    "open_clip:ViT-B-16/dfn2b": None,
    "slip:simclr_base_25ep": 343,
    "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x": 98,
}
"""Megabytes in the catalog or the library, by model; None if nothing states them offline."""


@pytest.mark.parametrize("name", OFFLINE)
def test_load_or_build_builds_a_network_offline_and_stores_nothing(name, tmp_path, monkeypatch):
    for variable in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    make_architectures_small(monkeypatch)
    few_blocks(monkeypatch)
    embedder, download = load_or_build(name, device="cpu", precision="auto")
    embeddings = embedder.embed(pictures())
    assert np.isfinite(embeddings).all()
    assert embeddings.shape == (3, embedder.dim)
    assert not list(tmp_path.rglob("*"))
    if OFFLINE[name] is None:
        assert (download.megabytes, download.is_exact) == (embedder.megabytes, False)
        assert str(download).startswith("about ")
    else:
        assert (round(download.megabytes), download.is_exact) == (OFFLINE[name], True)


def test_load_or_build_keeps_compiled_networks_only_of_weights_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not compiled.installed_version():
        pytest.skip("OpenVINO is not installed")
    load_or_build("timm:test_vit.r160_in1k", device="cpu", precision="auto")
    assert not list(tmp_path.rglob("*.blob"))
    _, download = load_or_build("zoo/mae", device="cpu", precision="auto")
    assert download.megabytes == 0
    assert list(tmp_path.rglob("*.blob"))


def test_load_or_build_downloads_configurations_alone_and_builds_the_published_network(monkeypatch):
    monkeypatch.setattr(compiled, "installed_version", lambda: "")  # compiling takes longest
    make_architectures_small(monkeypatch)
    with serving(small_repositories()) as server:
        use(server, monkeypatch)
        built = {name: load_or_build(name, device="cpu", precision="float32")[0] for name in REPOSITORIES}
        assert not [path for _, path, _ in server.requests if "/stored/" in path]
        for name, embedder in built.items():
            published = load_embedder(name, device="cpu", precision="float32")
            assert (published.dim, published.blocks) == (embedder.dim, embedder.blocks)
            assert published.megabytes == embedder.megabytes
            assert not np.array_equal(published.embed(pictures()), embedder.embed(pictures()))


def test_stated_mb_is_the_size_of_the_weights_that_would_be_downloaded(tmp_path, monkeypatch):
    repository = tmp_path / "root" / "org" / "model"
    repository.mkdir(parents=True)
    save_file({"weight": np.zeros(500_000, np.float32)}, repository / "model.safetensors")
    (repository / "pytorch_model.bin").write_bytes(b"the same weights in a different format")
    size = os.path.getsize(repository / "model.safetensors") / 1e6
    with serving(tmp_path / "root") as server:
        use(server, monkeypatch)
        assert hub.stated_mb("org/model") == size
        assert hub.stated_mb(f"{server.url}/stored/org/model/model.safetensors") == size
        assert hub.stated_mb("org/missing") == 0
        with hub.no_downloads():
            assert hub.stated_mb("org/model") == 0
    assert hub.stated_mb("org/model") == 0, "without server"


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("hf:org/model", r"'config\.json of hf:org/model' is not on disk, and .* did not respond"),
        ("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k", "'configuration of the text encoder of .* did not respond"),
    ],
)
def test_load_or_build_names_the_file_without_which_nothing_can_be_built(name, missing):
    with pytest.raises(ModelUnavailable, match=f"The duration for '{name}' cannot be estimated: {missing}") as caught:
        load_or_build(name, device="cpu", precision="auto")
    assert "\n" not in str(caught.value)
