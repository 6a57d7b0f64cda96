"""Small architectures under the names of the published encoders, a hub on this machine, and the hub's cache."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lab.devtools.kept import cached_folder
from lab.devtools.local_hub import write_published

TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 100,
}
VISION = {"image_size": 64, "width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 640}
SMALL_ALIGN: dict[str, Any] = {"text": TEXT, "vision": VISION, "side": 64}

VITS = ("deit_base_patch16_224", "vit_base_patch16_224", "vit_base_patch16_clip_224")

CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def make_architectures_small(patch: pytest.MonkeyPatch) -> None:
    """Give the published encoders two blocks in timm, open_clip and torchvision; transformers reads their sizes."""
    import torchvision
    from open_clip import factory
    from timm.models import _registry
    from torchvision.models.resnet import BasicBlock, ResNet

    for name in VITS:
        patch.setitem(_registry._model_entrypoints, name, _small_vit(_registry._model_entrypoints[name]))

    def small_resnet(weights: None = None) -> ResNet:
        made = ResNet(BasicBlock, [1, 1, 1, 1])
        made.conv1.stride = (8, 8)  # maps of a sixteenth: the others are as quick
        return made

    patch.setattr(torchvision.models, "resnet50", small_resnet)
    patch.setitem(factory._MODEL_CONFIGS, "ViT-B-16", CLIP)


def _small_vit(large: Any) -> Any:
    def small(pretrained: bool = False, **settings: Any) -> Any:
        return large(pretrained=pretrained, **settings | {"embed_dim": 48, "depth": 2, "num_heads": 3})

    return small


def put_snapshot(cache: Path, repo: str, commit: str = "0") -> Path:
    """Return the empty folder of a snapshot in the hub's cache, to which the main branch points."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(commit)
    folder = home / "snapshots" / commit
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No host but this machine is reached; nothing is cached from test to test."""
    connect = socket.create_connection

    def connect_here(address, *args, **kwargs):
        if address[0] not in ("127.0.0.1", "localhost"):
            raise OSError("the network is off in tests")
        return connect(address, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", connect_here)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache" / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def use(server, monkeypatch) -> None:
    """Let this process ask ``server``; the library reads the address when it is imported."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


def small_repositories() -> Path:
    def write(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            make_architectures_small(patch)
            write_published(folder, SMALL_ALIGN)

    return cached_folder("published-repositories", write)
