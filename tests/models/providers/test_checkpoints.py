"""Published state dicts, SimCLR, SLIP and CSD: small ones made here, the libraries' own networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probing_core.errors import ModelUnavailable, UnknownName
from probing_core.models import load_embedder
from tests.models.made import call, few_blocks, in_pytorch, outputs_of, pictures, pillow, spoil

pytestmark = pytest.mark.slow


def test_simclr_is_resnet50_on_plain_values(tmp_path, monkeypatch):
    import torchvision

    few_blocks(monkeypatch)
    torch.manual_seed(0)
    model = torchvision.models.resnet50(weights=None).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "resnet50-1x.pth")
    embedder = in_pytorch(load_embedder(f"simclr:resnet50@weights={tmp_path}/resnet50-1x.pth", precision="float32"))
    model.fc = torch.nn.Identity()
    t = torchvision.transforms
    bicubic = t.InterpolationMode.BICUBIC
    transform = t.Compose([t.Resize(256, bicubic), t.CenterCrop(224), t.ToTensor()])
    batch = torch.stack([transform(picture) for picture in pillow(pictures())])
    expected = call(model.to(memory_format=torch.channels_last), batch)
    np.testing.assert_array_equal(embedder.embed(pictures()), expected)
    stages = outputs_of(model, [model.layer1, model.layer2, model.layer3, model.layer4], batch)
    layers = _layers(f"simclr:resnet50@weights={tmp_path}/resnet50-1x.pth")
    for ours, theirs in zip(layers, stages, strict=True):
        np.testing.assert_allclose(ours, theirs.mean((2, 3)).numpy(), rtol=1e-5, atol=1e-5)
    _refused("simclr:resnet50", spoil(model.state_dict(), "layer1.0.conv1.weight"), tmp_path, "layer1.0.conv1.weight")


def test_slip_is_timms_vit_inside_a_training_checkpoint(tmp_path):
    import argparse

    import timm
    import torchvision

    torch.manual_seed(0)
    visual = timm.create_model("vit_base_patch16_224", num_classes=0, embed_dim=384, num_heads=12, depth=2).eval()
    tensors = {f"module.visual.{name}": tensor for name, tensor in visual.state_dict().items()}
    tensors["module.image_mlp.layer1.weight"] = torch.zeros(3, 3)
    torch.save({"state_dict": tensors, "epoch": 25, "args": argparse.Namespace(lr=1.0)}, tmp_path / "s.pt")
    embedder = in_pytorch(load_embedder(f"slip:simclr_small_25ep@weights={tmp_path}/s.pt", precision="float32"))
    t = torchvision.transforms
    normalize = t.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    transform = t.Compose([t.Resize(224), t.CenterCrop(224), t.ToTensor(), normalize])
    batch = torch.stack([transform(picture) for picture in pillow(pictures())])
    np.testing.assert_array_equal(embedder.embed(pictures()), call(visual.to(memory_format=torch.channels_last), batch))
    layers = _layers(f"slip:simclr_small_25ep@weights={tmp_path}/s.pt@pool=mean")
    for ours, theirs in zip(layers, outputs_of(visual, list(visual.blocks), batch), strict=True):
        np.testing.assert_allclose(ours, theirs[:, 1:].mean(1).numpy(), atol=1e-5)
    half = {f"visual.{name}": tensor for name, tensor in spoil(visual.state_dict(), "norm.weight").items()}
    _refused("slip:simclr_small_25ep", half, tmp_path, "norm.weight")
    with pytest.raises(UnknownName, match="slip:simclr_base_25ep"):
        load_embedder("slip:simclr_bse_25ep")


def test_csd_projects_clips_class_token_for_style(tmp_path):
    import open_clip

    torch.manual_seed(0)
    visual = open_clip.transformer.VisionTransformer(
        image_size=224, patch_size=32, width=64, layers=2, heads=1, mlp_ratio=4.0, output_dim=16,
        act_layer=open_clip.transformer.QuickGELU,
    ).eval()  # fmt: skip
    style = visual.proj.detach().clone()
    visual.proj = None
    tensors = {f"backbone.{name}": tensor for name, tensor in visual.state_dict().items()}
    tensors |= {"last_layer_style": style, "last_layer_content": style + 1}
    torch.save({"model_state_dict": tensors}, tmp_path / "csd.pth")
    embedder = in_pytorch(load_embedder(f"csd:vit-l@weights={tmp_path}/csd.pth", precision="float32"))
    transform = open_clip.image_transform((224, 224), is_train=False)
    batch = torch.stack([transform(picture) for picture in pillow(pictures())])
    visual.to(memory_format=torch.channels_last)
    expected = call(lambda x: torch.nn.functional.normalize(visual(x) @ style, dim=1), batch)
    np.testing.assert_allclose(embedder.embed(pictures()), expected, atol=1e-6)
    layers = _layers(f"csd:vit-l@weights={tmp_path}/csd.pth@pool=cls")
    for ours, theirs in zip(layers, outputs_of(visual, list(visual.transformer.resblocks), batch), strict=True):
        np.testing.assert_allclose(ours, theirs[:, 0].numpy(), atol=1e-5)
    half = {f"backbone.{name}": tensor for name, tensor in spoil(visual.state_dict(), "ln_pre.weight").items()}
    _refused("csd:vit-l", half | {"last_layer_style": style}, tmp_path, "ln_pre.weight")
    for lost in ("last_layer_style", "backbone.conv1.weight", "backbone.positional_embedding"):
        torch.save({name: tensor for name, tensor in tensors.items() if name != lost}, tmp_path / "part.pth")
        with pytest.raises(ModelUnavailable, match=rf"1 missing \({lost}\)\. Specify the architecture"):
            load_embedder(f"csd:vit-l@weights={tmp_path}/part.pth")


def _layers(name):
    return in_pytorch(load_embedder(f"{name}@layer=all", precision="float32")).embed_layers(pictures()).values()


def _refused(name, tensors, folder, lost):
    """A checkpoint with a tensor missing and a stranger in it is refused by their names."""
    torch.save(tensors, folder / "half.pth")
    with pytest.raises(ModelUnavailable, match=rf"1 missing \({lost}\); 1 unexpected \(stranger\)"):
        load_embedder(f"{name}@weights={folder}/half.pth")
