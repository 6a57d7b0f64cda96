from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from probing_core.errors import BadConfig, ModelUnavailable, UnknownName
from probing_core.models import compiled, load_embedder
from probing_core.models.providers import timm as provider
from tests.models.made import call, in_pytorch, loaded_in_pytorch, pictures, pillow

pytestmark = pytest.mark.slow

MODELS = ["test_vit", "test_vit2", "test_vit3", "test_resnet", "test_efficientnet", "test_convnext", "test_mambaout"]


def make(model, tmp_path, classes=7, **arguments):
    """A timm model with random weights, the file they are saved in, and its transformed pictures."""
    torch.manual_seed(0)
    module = timm.create_model(model, num_classes=classes, **arguments).eval()
    path = tmp_path / f"{model}.safetensors"
    save_file(module.state_dict(), path)
    transform = create_transform(**resolve_model_data_config(module))
    return module, path, torch.stack([transform(picture) for picture in pillow(pictures())])


def as_folder(module, path, **further):
    """The folder of the model whose weights are in ``path``, with what else its ``config.json`` is to say."""
    folder = path.parent / "mine"
    folder.mkdir()
    path.rename(folder / "model.safetensors")
    known = module.pretrained_cfg
    config = {"architecture": path.stem, "num_classes": 7, "pretrained_cfg": known | {"num_classes": 7}}
    (folder / "config.json").write_text(json.dumps(config | further))
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_embeddings_are_timms_bit_for_bit_and_layers_its_intermediates_from_one_pass(model, tmp_path):
    module, path, batch = make(model, tmp_path)
    module.reset_classifier(0)
    expected = call(module.to(memory_format=torch.channels_last), batch)
    embedder = in_pytorch(load_embedder(f"timm:{model}@weights={path}", precision="float32"))
    np.testing.assert_array_equal(embedder.embed(pictures()), expected)
    assert embedder.dim == expected.shape[1]
    embedder = in_pytorch(load_embedder(f"timm:{model}@weights={path}@layer=all@pool=mean", precision="float32"))
    layers = embedder.embed_layers(pictures())
    assert list(layers) == list(embedder.recipes())
    fmt = "NLC" if "vit" in model else "NCHW"
    with torch.inference_mode():
        maps = module.forward_intermediates(
            batch.contiguous(memory_format=torch.channels_last), intermediates_only=True, output_fmt=fmt
        )
    expected = [m.mean(1) if fmt == "NLC" else m.mean((2, 3)) for m in maps]
    # convolutional networks give timm their stem too: ours are the stages, its last ones
    for ours, theirs in zip(reversed(layers.values()), reversed(expected), strict=False):
        if ours.shape == theirs.shape:
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
    assert next(reversed(layers.values())).shape == expected[-1].shape
    last = list(layers)[-1]
    np.testing.assert_array_equal(loaded_in_pytorch(last).embed(pictures()), layers[last])


def test_class_tokens_of_layers_are_compiled_too(tmp_path):
    _, path, _ = make("test_vit", tmp_path)
    in_pytorch(load_embedder(f"timm:test_vit@weights={path}@layer=all@pool=cls", precision="float32"))


@pytest.mark.parametrize(("model", "poolings"), [("test_vit", ("cls", "mean")), ("test_convnext", ("mean",))])
def test_blocks_are_pooled_in_every_way_there_is(model, poolings, tmp_path):
    _, path, _ = make(model, tmp_path)
    name = f"timm:{model}@weights={path}"
    blocks = loaded_in_pytorch(name).embed_blocks(pictures())
    assert {block.split(".")[1] for block in blocks} == set(poolings)
    for pooling in poolings:
        layers = loaded_in_pytorch(f"{name}@layer=all@pool={pooling}").embed_layers(pictures())
        mine = [array for block, array in blocks.items() if block.endswith(pooling)]
        assert all(np.array_equal(a, b) for a, b in zip(mine, layers.values(), strict=True))
    only = loaded_in_pytorch(f"{name}@pool=mean")
    assert {block.split(".")[1] for block in only.blocks} == {"mean"}


@pytest.mark.parametrize("model", ["xcit_nano_12_p16_224", "cait_xxs24_224", "convit_tiny"])
def test_a_class_token_that_joins_after_the_blocks_is_not_looked_for_in_them(model, tmp_path, monkeypatch):
    """Taken for one, the first patch would be pooled as the class, and left out of the mean."""
    if model != "convit_tiny":  # compiling every block takes seconds a model
        monkeypatch.setattr(compiled, "installed_version", lambda: "")
    arguments = {"depth": 4, "num_heads": 1, "embed_dim": 48}
    if model == "convit_tiny":
        arguments["local_up_to_layer"] = 3
    module, path, batch = make(model, tmp_path, **arguments)
    name = f"timm:{as_folder(module, path, model_args=arguments)}"
    embedder = load_embedder(name, precision="float32")
    assert "3.mean" in embedder.blocks
    assert "3.cls" not in embedder.blocks
    assert ("4.cls" in embedder.blocks) == (model == "convit_tiny")  # where it joins before the fourth
    outputs = []
    module.blocks[2].register_forward_hook(lambda _, args, output: outputs.append(output))
    with torch.inference_mode():
        module(batch)
    assert outputs[0].shape[1] == 14 * 14  # every patch, and nothing else
    layer = loaded_in_pytorch(f"{name}@layer=3")
    np.testing.assert_allclose(layer.embed(pictures()), outputs[0].mean(1).numpy(), atol=1e-5)
    here, there = in_pytorch(embedder).embed_blocks(pictures())["3.mean"], layer.embed(pictures())
    np.testing.assert_array_equal(here, there)
    assert layer.recipe()["pooling"] == "mean"
    with pytest.raises(BadConfig, match=r"this model adds its class token only after layer 3"):
        load_embedder(f"{name}@layer=3@pool=cls", precision="float32")


def test_class_token_and_pooling_by_name(tmp_path):
    module, path, batch = make("test_vit", tmp_path)
    tokens = torch.from_numpy(call(module.to(memory_format=torch.channels_last).forward_features, batch))
    name = f"timm:test_vit@weights={path}"
    mean = load_embedder(f"{name}@pool=mean", precision="float32").embed(pictures())
    np.testing.assert_allclose(mean, tokens[:, 1:].mean(1).numpy(), atol=1e-6)
    assert loaded_in_pytorch(name).recipe()["pooling"] == "cls"
    for bad in ("@layer=99", "@seed=3"):
        with pytest.raises(BadConfig):
            load_embedder(name + bad)


def test_a_folder_is_a_model(tmp_path):
    module, path, batch = make("test_resnet", tmp_path)
    folder = as_folder(module, path)
    module.reset_classifier(0)
    expected = call(module.to(memory_format=torch.channels_last), batch)
    np.testing.assert_array_equal(loaded_in_pytorch(f"timm:{folder}").embed(pictures()), expected)


def test_half_fitting_checkpoints_are_refused_by_tensor(tmp_path):
    module, path, _ = make("test_vit", tmp_path)
    tensors = module.state_dict()
    del tensors["blocks.2.mlp.fc1.bias"]
    tensors["blocks.9.extra"] = torch.zeros(1)
    save_file(tensors, path)
    with pytest.raises(ModelUnavailable, match=r"missing \(blocks.2.mlp.fc1.bias\).*unexpected \(blocks.9.extra\)"):
        load_embedder(f"timm:test_vit@weights={path}")


def test_unknown_names_are_answered_with_close_ones():
    with pytest.raises(UnknownName, match="'resnet50'"):
        load_embedder("timm:resnet5O")
    with pytest.raises(UnknownName, match="Did you mean 'mae'"):
        load_embedder("timm:vit_base_patch16_224.mea")


@pytest.fixture
def packaged():
    """The packaged network in float32."""
    return load_embedder("timm:tf_efficientnet_lite0", precision="float32")


def test_packaged_network_recognizes_photographs(packaged):
    from skimage import data

    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(provider.packaged_weights())
    embeddings = torch.from_numpy(packaged.embed([data.chelsea(), data.coffee(), data.rocket()]))
    with torch.inference_mode():
        best = model.eval().classifier(embeddings).topk(5).indices.tolist()
    cats, cups, rockets = {281, 282, 283, 284, 285}, {504, 967, 968}, {657, 744, 812}
    for classes, top in zip((cats, cups, rockets), best, strict=True):
        assert classes & set(top[:2])


def test_bfloat16_agrees_with_float32_on_the_packaged_network(packaged):
    from skimage import data

    whole = [data.chelsea(), data.coffee(), data.rocket(), data.astronaut()]
    photos = [*whole, *(photo[:128, :128] for photo in whole), *(photo[100:228, 100:228] for photo in whole)]
    one, other = (embedder.embed(photos) for embedder in (packaged, load_embedder(packaged.name, precision="bfloat16")))
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.mean() >= 0.999
