"""``torchvision:<model>``: torchvision classification models without their classification layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probing_core.errors import ModelUnavailable
from probing_core.models import hub
from probing_core.models.embedder import EmbedderSpec
from probing_core.models.hub import load_weights, read_weights
from probing_core.models.model_names import ModelName, unknown
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing, crop_fraction

if TYPE_CHECKING:
    from torch import nn

PREFIXES = ("torchvision",)


def load(name: ModelName, device: str, precision: str) -> NetworkEmbedder:
    """Load a torchvision model with its default weights or with ``@weights=PATH``."""
    from torchvision import models

    published = models.get_model_weights(name.model).DEFAULT  # type: ignore[attr-defined]
    path = name.options.get("weights") or hub.fetch_weights(published.url, name.base)
    model = models.get_model(name.model, weights=None)
    classifier = remove_classifier(model)
    load_weights(model, read_weights(path), str(path), ignore=classifier)
    return NetworkEmbedder(
        name.full, network(model), preprocessing(published.transforms()), name.options, device, precision
    )


def untrained(name: ModelName) -> tuple[Network, Preprocessing]:
    """Build a model with random weights."""
    from torchvision import models

    published = models.get_model_weights(name.model).DEFAULT  # type: ignore[attr-defined]
    model = models.get_model(name.model, weights=None)
    remove_classifier(model)
    return network(model), preprocessing(published.transforms())


def remove_classifier(model: nn.Module) -> str:
    """Replace the last linear layer, or the last convolution (SqueezeNet), with the identity, and return its name."""
    from torch import nn

    layers = list(model.named_modules())
    linear = [name for name, module in layers if isinstance(module, nn.Linear)]
    name = (linear or [name for name, module in layers if isinstance(module, nn.Conv2d)])[-1]
    model.set_submodule(name, nn.Identity())
    return name


def network(model: nn.Module) -> Network:
    import torchvision

    encoder: Any = getattr(model, "encoder", None)
    tokens = encoder is not None and hasattr(model, "class_token")
    stages = [getattr(model, f"layer{i}") for i in range(1, 5) if hasattr(model, f"layer{i}")]
    return Network(
        module=model,
        embed=model,
        pooling="as the layer that gives the classes receives it",
        blocks=list(encoder.layers) if tokens else stages,
        prefix=int(tokens),
        class_token=tokens,
        pool="cls" if tokens else "mean",
        versions={"torchvision": torchvision.__version__},
    )


def preprocessing(transforms: Any) -> Preprocessing:
    """Convert a torchvision preset (`torchvision.transforms._presets.ImageClassification`) to `Preprocessing`."""
    if not hasattr(transforms, "crop_size"):
        raise ModelUnavailable("This torchvision model does not classify single images. Use a different model.")
    crop, resize = transforms.crop_size[0], transforms.resize_size[0]
    return Preprocessing(
        size=(crop, crop),
        crop=crop_fraction(crop, resize),
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )


def make_spec(name: ModelName) -> EmbedderSpec:
    from torchvision import models

    available = models.list_models(module=models)
    if name.model not in available:
        raise unknown("torchvision has no model", name.model, available)
    published = models.get_model_weights(name.model).DEFAULT  # type: ignore[attr-defined]
    return EmbedderSpec(
        name=name.base,
        family=name.model,
        objective="supervised",
        license="BSD-3-Clause",
        data="ImageNet-1k",
        input_size=published.transforms().crop_size[0],
        loader=load,
        **hub.published_at(published.url, published.meta["_file_size"]),
    )
