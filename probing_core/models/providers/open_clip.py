"""``open_clip:<model>/<tag>``: image-text models, also from a folder, ``hf-hub:<repo>`` or ``@weights=PATH``."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.models import hub
from probing_core.models.embedder import EmbedderSpec
from probing_core.models.hub import OPEN_CLIP_FILES, fitting, read_weights
from probing_core.models.model_names import ModelName, unknown
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.providers import timm
from probing_core.online import hub_address
from probing_core.paths import user_path

if TYPE_CHECKING:
    from torch import nn

PREFIXES = ("open_clip",)


def load(name: ModelName, device: str, precision: str) -> NetworkEmbedder:
    """Load an open_clip model. ``encode_image`` computes embeddings in the joint image-text space."""
    import open_clip

    architecture, path, tag = _resolve(name)
    with _quiet(), fitting(str(path)):
        if path.suffix not in (".npz", ".npy"):
            read_weights(path)  # rejects files that would execute code; open_clip may not
        weights = None if ":" in architecture else str(path)
        model = open_clip.create_model(architecture, pretrained=weights, **_settings(tag))
    return NetworkEmbedder(name.full, network(model), preprocessing(model), name.options, device, precision)


def untrained(name: ModelName) -> tuple[Network, Preprocessing]:
    """Build a model with random weights."""
    import open_clip

    if folder := hub.configuration_of(name):
        architecture, tag = f"local-dir:{folder}", dict[str, Any]()
    else:
        architecture, tag = name.model.split("/")[0], dict(_tag(name))
        if "hf_model_name" in open_clip.get_model_config(architecture)["text_cfg"]:
            hub.require_host(hub_address(), f"configuration of the text encoder of {name.base}")
    with _quiet():
        model = open_clip.create_model(architecture, load_weights=False, pretrained_text=False, **_settings(tag))
    return network(model), preprocessing(model)


def _settings(tag: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``create_model`` for the pretrained configuration ``tag``."""
    forced = {key: tag[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in tag}
    # Some tags were trained with QuickGELU, but the default configuration of their architecture uses GELU.
    return {"force_preprocess_cfg": forced or None, "force_quick_gelu": bool(tag.get("quick_gelu"))}


def network(model: nn.Module) -> Network:
    import open_clip

    visual: Any = model.visual
    versions = {"open_clip": open_clip.__version__}
    common: dict[str, Any] = {
        "module": model,
        "embed": model.encode_image,
        "pooling": "projected to the space of the texts",
        "versions": versions,
    }
    if hasattr(visual, "trunk"):
        trunk = timm.network(visual.trunk)
        return replace(trunk, **(common | {"versions": {**versions, **trunk.versions}, "features": None}))
    if hasattr(visual, "transformer"):
        class_token = getattr(visual, "class_embedding", None) is not None
        return Network(
            **common,
            blocks=list(visual.transformer.resblocks),
            prefix=int(class_token),
            class_token=class_token,
            pool="cls" if visual.pool_type == "tok" else "mean",
        )
    return Network(**common, blocks=[visual.get_submodule(f"layer{i}") for i in range(1, 5)])


def preprocessing(model: nn.Module) -> Preprocessing:
    config: Any = model.visual.preprocess_cfg  # type: ignore[union-attr]
    modes = {"shortest": "shorter", "squash": "squash"}
    if config["resize_mode"] not in modes:
        raise ModelUnavailable(
            f"The resize mode '{config['resize_mode']}' of this model is not supported. Supported: {', '.join(modes)}."
        )
    size = config["size"] if isinstance(config["size"], list | tuple) else (config["size"], config["size"])
    return Preprocessing(
        size=(size[-2], size[-1]),
        resize=modes[config["resize_mode"]],  # type: ignore[arg-type]
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def make_spec(name: ModelName) -> EmbedderSpec:
    family = "open_clip"
    if not (facts := hub.facts_of_folder(name, OPEN_CLIP_FILES)):
        family, tag = name.model.split("/")[0], _tag(name)
        source = _repository(tag) or tag.get("url", "")
        facts = hub.published_at(source, preferred=_preferred(tag)) if source else {"weights": "a local file"}
    return EmbedderSpec(name=name.base, family=family, objective="CLIP", loader=load, **facts)


def _resolve(name: ModelName) -> tuple[str, Path, Mapping[str, Any]]:
    """Return the architecture, the path of the weight file (downloaded if necessary) and open_clip's configuration."""
    if folder := hub.folder_of(name, OPEN_CLIP_FILES):
        return f"local-dir:{folder}", hub.find_weights(folder, name.base, OPEN_CLIP_FILES), {}
    tag = _tag(name)
    architecture = name.model.split("/")[0]
    if "weights" in name.options:
        return architecture, user_path(name.options["weights"]), tag
    if repo := _repository(tag):
        snapshot = hub.fetch_repository(repo, name.base, preferred=_preferred(tag))
        return architecture, hub.find_weights(snapshot, name.base, _preferred(tag)), tag
    return architecture, hub.fetch_url(tag["url"], name.base), tag


def _tag(name: ModelName) -> Mapping[str, Any]:
    """Return open_clip's pretrained configuration for ``name``; empty for a local file without a tag."""
    import open_clip

    architecture, _, tag = name.model.partition("/")
    architectures = open_clip.list_models()
    if architecture not in architectures:
        raise unknown("open_clip has no architecture", architecture, architectures, "open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tag:
        if "weights" in name.options:
            return {}
        raise BadConfig(
            f"'{name.base}' does not specify weights. Use open_clip:{architecture}/TAG or add @weights=PATH. "
            f"Available tags: {', '.join(tags) or 'none'}."
        )
    if tag not in tags:
        raise unknown(f"open_clip has no weights of '{architecture}' called", tag, tags)
    return open_clip.get_pretrained_cfg(architecture, tag)


def _repository(tag: Mapping[str, Any]) -> str:
    """Return ``org/repo`` from ``org/repo/file`` or ``org/repo/``; empty if the weights are not on the hub."""
    return (tag.get("hf_hub") or "").rsplit("/", 1)[0]


def _preferred(tag: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of weight files in order of preference, starting with the one in ``org/repo/file``, if any."""
    file = (tag.get("hf_hub") or "").rpartition("/")[2]
    return (file, *OPEN_CLIP_FILES) if file else OPEN_CLIP_FILES


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings, and this thread's messages to the root logger, within the context.

    open_clip warns about the activation function, which `load` corrects. Log messages from other threads and to other
    loggers are unaffected.
    """
    root, this_thread = logging.getLogger(), get_ident()
    handler = None if root.handlers else logging.lastResort  # otherwise `logging.warning` would install one permanently

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != this_thread

    if handler:
        root.addHandler(handler)
    root.addFilter(of_others)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(of_others)
        if handler:
            root.removeHandler(handler)
