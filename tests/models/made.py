"""Pictures and small comparisons that the tests of all providers share."""

from __future__ import annotations

import numpy as np
import PIL.Image

from lab.devtools.networks import run_in_pytorch


def pictures() -> list[np.ndarray]:
    """Three pictures of different sizes, noise on gradients."""
    rng = np.random.default_rng(0)
    made = []
    for height, width in ((150, 130), (128, 128), (90, 200)):
        slope = np.linspace(0, 150, width)[None, :, None] + np.zeros((height, 1, 3))
        made.append((slope + rng.integers(0, 100, (height, width, 3))).astype(np.uint8))
    return made


def pillow(images) -> list[PIL.Image.Image]:
    return [PIL.Image.fromarray(image) for image in images]


def in_pytorch(embedder):
    """``embedder`` on PyTorch, once its compiled network has given the same embeddings, layers and blocks."""
    from probing_core.models import compiled

    if compiled.installed_version():
        assert embedder.engine.startswith("OpenVINO")
        ours = dict(embedder.embed_layers(pictures())), dict(embedder.embed_blocks(pictures()))
        run_in_pytorch(embedder)
        theirs = dict(embedder.embed_layers(pictures())), dict(embedder.embed_blocks(pictures()))
        for mine, other in zip(ours, theirs, strict=True):
            assert list(mine) == list(other)
            for name, array in mine.items():
                assert_alike(array, other[name])
    assert embedder.engine == "PyTorch"
    return embedder


def loaded_in_pytorch(name):
    """The embedder called ``name`` in float32, none of which is compiled: for what it reads of a network."""
    import pytest

    from probing_core.models import compiled, load_embedder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "installed_version", lambda: "")
        embedder = load_embedder(name, precision="float32")
    run_in_pytorch(embedder)  # not to compile what it has not read yet
    return embedder


def assert_alike(one, other) -> None:
    """Embeddings of the same pictures differ by at most 1e-5 of their lengths."""
    assert one.shape == other.shape
    assert (np.abs(one - other).max(1) <= 1e-5 * np.linalg.norm(other, axis=1)).all()


def few_blocks(patch) -> None:
    """torchvision makes its ResNets and ViTs under their own names, but of few and narrow blocks: drawing the weights
    of large ones takes longer than what is tested."""
    from torchvision.models import resnet, vision_transformer

    residual, transformer = resnet.ResNet, vision_transformer.VisionTransformer

    def small_resnet(block, layers, **settings):
        narrow = {"width_per_group": 16} if block is resnet.Bottleneck else {}  # the basic block has one width
        return residual(block, [max(1, count // 3) for count in layers], **settings, **narrow)

    def small_vit(**settings):
        return transformer(**settings | {"num_layers": 2, "num_heads": 3, "hidden_dim": 96, "mlp_dim": 192})

    patch.setattr(resnet, "ResNet", small_resnet)
    patch.setattr(vision_transformer, "VisionTransformer", small_vit)


def put_clip(folder, width=64, layers=3) -> None:
    """Save a small model of open_clip with random weights, and its configuration, in ``folder``."""
    import json

    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": layers, "width": width, "patch_size": 16, "head_width": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }
    preprocess = {"mean": [0.4] * 3, "std": [0.3] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    torch.manual_seed(0)
    tensors = {name: tensor.contiguous() for name, tensor in open_clip.CLIP(**config).state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")


def call(function, batch) -> np.ndarray:
    """``function`` on ``batch`` (N, 3, H, W) as `NetworkEmbedder` calls it: channels last, no gradients, one core."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several cores would add up sums in another order
    try:
        with torch.inference_mode():
            return function(batch.contiguous(memory_format=torch.channels_last)).numpy()
    finally:
        torch.set_num_threads(threads)


def outputs_of(module, parts, batch) -> list:
    """What each of ``parts`` gives on (N, 3, H, W) ``batch`` inside ``module``, by hooks of the test's own."""
    import torch

    seen: list = []
    hooks = [part.register_forward_hook(lambda *args: seen.append(args[-1])) for part in parts]
    with torch.inference_mode():
        module(batch.contiguous(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    return seen


def spoil(tensors, lost) -> dict:
    """``tensors`` less the one called ``lost`` and with one that no network knows."""
    import torch

    return {name: tensor for name, tensor in tensors.items() if name != lost} | {"stranger": torch.zeros(1)}
