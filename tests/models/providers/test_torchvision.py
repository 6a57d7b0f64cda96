"""torchvision: small models saved here, the library's own calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probing_core.errors import ModelUnavailable, UnknownName
from probing_core.models import load_embedder
from tests.models.made import call, few_blocks, in_pytorch, outputs_of, pictures, pillow, spoil

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _few_blocks(monkeypatch):
    few_blocks(monkeypatch)


@pytest.mark.parametrize("model", ["resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_torchvision_equals_the_input_of_its_classifier(model, tmp_path):
    from torchvision import models

    torch.manual_seed(0)
    module = models.get_model(model, weights=None).eval()
    torch.save(module.state_dict(), tmp_path / "w.pth")
    transform = models.get_model_weights(model).DEFAULT.transforms()
    batch = torch.stack([transform(picture) for picture in pillow(pictures())])
    embedder = in_pytorch(load_embedder(f"torchvision:{model}@weights={tmp_path}/w.pth", precision="float32"))
    last = {"resnet18": "fc", "squeezenet1_1": "classifier.1", "mobilenet_v3_small": "classifier.3"}[model]
    module.set_submodule(last, torch.nn.Identity())
    expected = call(module.to(memory_format=torch.channels_last), batch)
    np.testing.assert_array_equal(embedder.embed(pictures()), expected)
    with pytest.raises(UnknownName, match="Did you mean"):
        load_embedder(f"torchvision:{model}x")


def test_layers_are_the_outputs_of_stages_and_of_blocks(tmp_path):
    from torchvision import models

    torch.manual_seed(0)
    for name, first_token in (("resnet18", None), ("vit_b_32", 1)):
        module = models.get_model(name, weights=None).eval().to(memory_format=torch.channels_last)
        torch.save(module.state_dict(), tmp_path / "w.pth")
        transform = models.get_model_weights(name).DEFAULT.transforms()
        batch = torch.stack([transform(picture) for picture in pillow(pictures())])
        stages = [getattr(module, f"layer{i}") for i in range(1, 5)] if first_token is None else module.encoder.layers
        theirs = outputs_of(module, list(stages), batch)
        asked = f"torchvision:{name}@weights={tmp_path}/w.pth@layer=all@pool=mean"
        ours = in_pytorch(load_embedder(asked, precision="float32")).embed_layers(pictures())
        for layer, output in zip(ours.values(), theirs, strict=True):
            pooled = output.mean((2, 3)) if first_token is None else output[:, first_token:].mean(1)
            np.testing.assert_allclose(layer, pooled.numpy(), rtol=1e-5, atol=1e-5)


def test_half_fitting_weights_are_refused_by_tensor(tmp_path):
    from torchvision import models

    torch.save(spoil(models.resnet18(weights=None).state_dict(), "layer1.0.conv1.weight"), tmp_path / "w.pth")
    with pytest.raises(ModelUnavailable, match=r"1 missing \(layer1.0.conv1.weight\); 1 unexpected \(stranger\)"):
        load_embedder(f"torchvision:resnet18@weights={tmp_path}/w.pth")
