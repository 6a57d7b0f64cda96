"""Small stand-ins of the published encoders: random weights where a download would have put them, so that their own
names load them through the real providers. The libraries' large architectures are small while it lasts."""

from __future__ import annotations

from pathlib import Path

import pytest


def put_on_disk(cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Fills the hub's cache in the folder ``cache`` with a stand-in of every model of the set ``published``."""
    import torch

    patch.setenv("HF_HUB_CACHE", str(cache))  # for processes that a test starts
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    torch.manual_seed(0)
    for name, repo in (
        ("deit_base_patch16_224", "timm/deit_base_patch16_224.fb_in1k"),
        ("vit_base_patch16_224", "timm/vit_base_patch16_224.mae"),
    ):
        _put_timm(put_snapshot(cache, repo), name, patch)
    _put_simclr(put_snapshot(cache, "lightly-ai/simclrv1-imagenet1k-resnet50-1x"), patch)
    _put_clip(put_snapshot(cache, "timm/vit_base_patch16_clip_224.openai"), patch)
    _put_align(put_snapshot(cache, "kakaobrain/align-base"))


def put_snapshot(cache: Path, repo: str, commit: str = "0") -> Path:
    """Return the empty folder of a snapshot in the hub's cache, to which the main branch points."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(commit)
    folder = home / "snapshots" / commit
    folder.mkdir(parents=True)
    return folder


def _put_timm(folder: Path, name: str, patch: pytest.MonkeyPatch) -> None:
    import timm
    from safetensors.torch import save_file
    from timm.models import _registry

    large = _registry._model_entrypoints[name]

    def small(pretrained: bool = False, **settings):
        return large(pretrained=pretrained, **settings, embed_dim=48, depth=2, num_heads=3)

    patch.setitem(_registry._model_entrypoints, name, small)
    save_file(timm.create_model(name, num_classes=0).state_dict(), folder / "model.safetensors")


def _put_simclr(folder: Path, patch: pytest.MonkeyPatch) -> None:
    import torch
    import torchvision
    from torchvision.models.resnet import BasicBlock, ResNet

    def small(weights=None):
        made = ResNet(BasicBlock, [1, 1, 1, 1])
        made.conv1.stride = (8, 8)  # maps of a sixteenth: the others are as quick
        return made

    patch.setattr(torchvision.models, "resnet50", small)
    torch.save(torchvision.models.resnet50().state_dict(), folder / "resnet50-1x.pth")


def _put_clip(folder: Path, patch: pytest.MonkeyPatch) -> None:
    import open_clip
    from open_clip import factory
    from safetensors.torch import save_file

    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }
    patch.setitem(factory._MODEL_CONFIGS, "ViT-B-16", config)
    model = open_clip.CLIP(**config, quick_gelu=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")


def _put_align(folder: Path) -> None:
    from tests.models.providers.test_providers import transformers_cases

    model, processor = transformers_cases()["align"]
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
