"""Networks with random weights, which are as fast as the published networks, to estimate times before a download."""

from __future__ import annotations

from probing_core.errors import ModelUnavailable
from probing_core.models.base import LoadedEmbedder
from probing_core.models.names import ModelName, parse


def load_untrained(name: str, device: str, precision: str) -> LoadedEmbedder:
    """Return a timm or torchvision model with random weights, without downloading or storing anything.

    Raises:
        ModelUnavailable: the model cannot be built without its files.
    """
    parsed = parse(name)
    if parsed.provider == "timm" and ":" not in parsed.model:
        return _timm(parsed, device, precision)
    if parsed.provider == "torchvision":
        return _torchvision(parsed, device, precision)
    raise ModelUnavailable(
        f"The time of '{name}' cannot be estimated before its files are downloaded. This requires a timm or "
        f"torchvision model."
    )


def _timm(name: ModelName, device: str, precision: str) -> LoadedEmbedder:
    import timm

    from probing_core.models.network import NetworkEmbedder
    from probing_core.models.providers.timm import network, preprocessing

    model = timm.create_model(name.model, pretrained=False, num_classes=0)
    return NetworkEmbedder(name.full, network(model), preprocessing(model), name.options, device, precision)


def _torchvision(name: ModelName, device: str, precision: str) -> LoadedEmbedder:
    from torchvision import models

    from probing_core.models.network import NetworkEmbedder
    from probing_core.models.providers.torchvision import network, preprocessing, remove_classifier

    published = models.get_model_weights(name.model).DEFAULT  # type: ignore[attr-defined]
    model = models.get_model(name.model, weights=None)
    remove_classifier(model)
    read = preprocessing(published.transforms())
    return NetworkEmbedder(name.full, network(model), read, name.options, device, precision)
