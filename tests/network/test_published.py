"""The published weights themselves: ours and the library's own call embed a picture alike, and a run of them completes.

Nothing here is skipped: without a network these tests fail, and say what could not be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
import torch

from probing_core import Run, cli, load_embedder
from probing_core.corpora import open_corpus
from tests.models.made import call


def photograph() -> np.ndarray:
    return open_corpus("photos").load("chelsea/00")


def by_open_clip(name: str, picture: PIL.Image.Image) -> np.ndarray:
    import open_clip

    architecture, tag = name.removeprefix("open_clip:").split("/")
    # The library warns that these weights were trained with QuickGELU, and does not use it unless it is asked to.
    quick = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))
    model, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=tag, force_quick_gelu=quick)
    return call(model.eval().to(memory_format=torch.channels_last).encode_image, transform(picture)[None])


def by_timm(name: str, picture: PIL.Image.Image) -> np.ndarray:
    import timm

    model = timm.create_model(name.removeprefix("timm:"), pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return call(model.to(memory_format=torch.channels_last), transform(picture)[None])


def by_transformers(name: str, picture: PIL.Image.Image) -> np.ndarray:
    import transformers

    repository = name.removeprefix("hf:")
    model = transformers.AutoModel.from_pretrained(repository).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(repository)(picture, return_tensors="pt")["pixel_values"]

    def features(batch: torch.Tensor) -> torch.Tensor:
        given = model.get_image_features(pixel_values=batch)
        return given if isinstance(given, torch.Tensor) else given.pooler_output

    return call(features, pixels)


def by_torchvision(name: str, picture: PIL.Image.Image) -> np.ndarray:
    """SimCLR's ResNet-50, whose weights are a file of torchvision's names; its authors subtract no mean."""
    import huggingface_hub
    import torchvision

    repository = name.removeprefix("hf:")
    (file,) = [
        f for f in huggingface_hub.list_repo_files(repository) if f.endswith((".pth", ".pt", ".bin", ".safetensors"))
    ]
    path = huggingface_hub.hf_hub_download(repository, file)
    if file.endswith(".safetensors"):
        from safetensors.torch import load_file

        tensors = load_file(path)
    else:
        tensors = torch.load(path, weights_only=True, map_location="cpu")
    model = torchvision.models.resnet50(weights=None)
    model.load_state_dict(tensors.get("state_dict", tensors))
    model.fc = torch.nn.Identity()
    t = torchvision.transforms
    transform = t.Compose([t.Resize(256, t.InterpolationMode.BICUBIC), t.CenterCrop(224), t.ToTensor()])
    return call(model.eval().to(memory_format=torch.channels_last), transform(picture)[None])


OWN_CALL: dict[str, Callable[[str, PIL.Image.Image], np.ndarray]] = {
    "open_clip:ViT-B-16/openai": by_open_clip,
    "hf:kakaobrain/align-base": by_transformers,
    "timm:vit_base_patch16_224.mae": by_timm,
    "timm:deit_base_patch16_224.fb_in1k": by_timm,
    "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x": by_torchvision,
    "timm:vit_base_patch14_reg4_dinov2.lvd142m": by_timm,
    "timm:vit_base_patch16_siglip_224.v2_webli": by_timm,
}
"""Encoder -> its embedding by the library that the weights were published for."""


@pytest.mark.parametrize("name", OWN_CALL)
def test_a_picture_is_embedded_as_by_the_library_itself(name):
    image = photograph()
    theirs = OWN_CALL[name](name, PIL.Image.fromarray(image))
    ours = load_embedder(name, device="cpu", precision="float32").embed([image])
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def test_a_run_of_published_models_completes(tmp_path):
    models = ["open_clip:ViT-B-16/openai", "timm:vit_base_patch16_224.mae"]
    out = tmp_path / "run"
    few = ["--limit", "20", "--transforms", "brighten,gaussian-blur,jpeg", "--device", "cpu"]
    assert cli.main(["run", "--out", str(out), "--models", ",".join(models), *few]) == 0
    assert cli.main(["verify", "--run", str(out)]) == 0
    scores = Run.open(out).scores.query("task == 'fine' and subset == 'all' and measure == 'balanced-accuracy'")
    assert sorted(scores["model"]) == sorted(models)
    assert (scores["value"] > scores["chance"]).all()
