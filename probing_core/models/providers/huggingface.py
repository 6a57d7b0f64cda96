"""``hf:<repo>`` or ``hf:<folder>``: vision models and image-text models from transformers.

``@weights=`` is a folder written by `save_pretrained`, or a weight file for the architecture of the named model. It
replaces the weights of the named model. Images are preprocessed with the image processor of the checkpoint.
Repositories that require executing their code are rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Resampling

from probing_core.errors import ModelUnavailable, one_line
from probing_core.models import hub
from probing_core.models.embedder import Availability, EmbedderSpec
from probing_core.models.hub import read_weights, refuse_misfit
from probing_core.models.model_names import ModelName, local_folder
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing
from probing_core.paths import user_path
from probing_core.transforms.transformation import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

PREFIXES = ("hf",)

NO_CODE: dict[str, Any] = {"trust_remote_code": False}
"""Argument that prevents transformers from asking in the terminal whether to execute code from the repository."""

PROCESSORS = ("preprocessor_config.json", "processor_config.json")


def load(name: ModelName, device: str, precision: str) -> NetworkEmbedder:
    """Load a transformers model. Embeddings of image-text models are computed with ``get_image_features``."""
    if not (library := check_library()).available:
        raise ModelUnavailable(f"'{name.base}' cannot be used: {library.why_not}.", hint=library.hint)
    folder, weights = _locate(name)
    _refuse_other_libraries(folder, name)
    with _quiet():
        model = _load_model(folder, weights, name)
        processor, settings = _load_processor(_processor_folder(folder, name), name)
    return NetworkEmbedder(name.full, network(model, processor), settings, name.options, device, precision)


def untrained(name: ModelName) -> tuple[Network, Preprocessing]:
    """Build a model with random weights from its configuration, which is downloaded if necessary."""
    folder = hub.fetch_repository(name.model, f"config.json of {name.base}", weights=False)
    _refuse_other_libraries(folder, name)
    with _quiet():
        kind, config = _class_of(folder)
        model = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
        processor, settings = _load_processor(folder, name)
    return network(model, processor), settings


_LOADING = Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the messages of transformers within the context, because `_load_model` reports mismatched weights.

    The settings of transformers are global, so a lock prevents two threads from changing them at the same time.
    """
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging

    with _LOADING:
        verbosity = logging.get_verbosity()
        bars = logging.is_progress_bar_enabled()
        no_hub_bars = are_progress_bars_disabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()  # also enables progress bars of the hub
            if no_hub_bars:
                disable_progress_bars()


def _locate(name: ModelName) -> tuple[Path, Path | None]:
    named = local_folder(name.model)
    if "weights" not in name.options:
        return named or hub.fetch_repository(name.model, name.base), None
    weights = user_path(name.options["weights"])
    if weights.is_dir():
        return weights, None
    if not weights.is_file():
        raise ModelUnavailable(
            f"The file or folder '{weights}' does not exist. Use a folder with a config.json and weights, or a weight "
            f"file (.safetensors, .bin, .pth)."
        )
    if named is None and (weights.parent / "config.json").is_file():
        named = weights.parent  # the configuration that belongs to these weights
    return named or hub.fetch_repository(name.model, name.base, weights=False), weights


def _processor_folder(folder: Path, name: ModelName) -> Path:
    # Training scripts often do not save the processor. In that case, use the processor of the named model.
    if any((folder / file).is_file() for file in PROCESSORS) or "weights" not in name.options:
        return folder
    return local_folder(name.model) or hub.fetch_repository(name.model, name.base, weights=False)


def _load_processor(folder: Path, name: ModelName) -> tuple[Any, Preprocessing]:
    import transformers

    try:
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True, **NO_CODE)
        return processor, preprocessing(processor)
    except Exception as error:
        raise ModelUnavailable(
            f"'{name.base}' has no readable image processor ({type(error).__name__}: {one_line(error)}). "
            f"Expected a preprocessor_config.json next to the weights."
        ) from error


def network(model: nn.Module, processor: Any) -> Network:
    import torch
    import transformers

    dual = hasattr(model, "get_image_features")
    tower: Any = model.vision_model if dual else model
    parameter_names = {
        name.rsplit(".", 1)[-1] for name, _ in tower.named_parameters() if name.startswith("embeddings.")
    }
    class_token = bool(parameter_names & {"cls_token", "class_embedding"})
    prefix = class_token + ("distillation_token" in parameter_names) + getattr(tower.config, "num_register_tokens", 0)
    lists = [module for module in tower.modules() if isinstance(module, torch.nn.ModuleList)]
    pool = "cls" if class_token else "mean"

    def embed(batch: torch.Tensor) -> torch.Tensor:
        if dual:
            features = model.get_image_features(pixel_values=batch)  # type: ignore[operator]
            return features if isinstance(features, torch.Tensor) else features.pooler_output
        output = model(pixel_values=batch)
        if getattr(output, "pooler_output", None) is not None:
            return output.pooler_output.flatten(1)
        return _pool_last(output.last_hidden_state, class_token, prefix)

    def features(batch: torch.Tensor) -> torch.Tensor:
        return tower(pixel_values=batch).last_hidden_state

    def prepare(images: Sequence[Image]) -> torch.Tensor:
        pictures = [np.ascontiguousarray(image) for image in images]
        return processor(pictures, return_tensors="pt", input_data_format="channels_last")["pixel_values"]

    return Network(
        module=model,
        embed=embed,
        pooling="projected to the space of the texts" if dual else f"the model's pooler, else {pool}",
        prepare=prepare,
        features=features,
        blocks=list(lists[0]) if lists else (),
        prefix=prefix,
        class_token=class_token,
        pool=pool,  # type: ignore[arg-type]
        details={"processor": _plain(processor.to_dict())},
        versions={"transformers": transformers.__version__},
    )


def preprocessing(processor: Any) -> Preprocessing:
    """Convert the settings of an image processor to `Preprocessing`.

    The mean and standard deviation include the rescaling by the processor, and refer to values in [0, 1].
    """
    config = processor.to_dict()
    size, crop, resize = dict(config["size"]), 1.0, "squash"
    if "shortest_edge" in size:
        edge, resize = size["shortest_edge"], "shorter"
        size = {"height": edge, "width": edge}
        if config.get("crop_pct") and edge < 384:  # ConvNeXt crops only below 384 px
            crop = config["crop_pct"]
        elif config.get("crop_pct"):
            resize = "squash"
    if config.get("do_center_crop") and config.get("crop_size"):
        target = dict(config["crop_size"])
        crop = target["height"] / size["height"]
        size = target
    factor = config.get("rescale_factor", 1 / 255) * 255 if config.get("do_rescale", True) else 255.0
    offset = 1.0 if config.get("rescale_offset") else 0.0
    normalized = config.get("do_normalize", True)
    mean = config["image_mean"] if normalized else (0.0, 0.0, 0.0)
    std = config["image_std"] if normalized else (1.0, 1.0, 1.0)
    return Preprocessing(
        size=(size["height"], size["width"]),
        resize=resize if config.get("do_resize", True) else "none",  # type: ignore[arg-type]
        crop=crop,
        interpolation=Resampling(int(config.get("resample", 3))).name.lower(),
        mean=tuple((m + offset) / factor for m in mean),  # type: ignore[arg-type]
        std=tuple(s / factor for s in std),  # type: ignore[arg-type]
    )


def make_spec(name: ModelName) -> EmbedderSpec:
    if folder := local_folder(name.model):
        facts: dict[str, Any] = {"weights": f"the folder {folder}", "check": check_library}
    else:
        facts = hub.published_at(name.model) | {"check": partial(check, name.model)}
    return EmbedderSpec(name=name.base, family="transformers", loader=load, **facts)


def check(repo: str, size_mb: float = 0.0) -> Availability:
    """Return whether the library is installed and the weights of ``repo`` are available locally."""
    library = check_library()
    return hub.on_disk(repo, size_mb) if library.available else library


def check_library() -> Availability:
    if find_spec("transformers"):
        return Availability(True)
    return Availability(
        False, "it requires transformers, which is not installed", hint="Run `pip install transformers`."
    )


def _class_of(folder: Path) -> tuple[Any, Any]:
    """Return the class and the configuration of the model in ``folder``."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, **NO_CODE)
    # The MAE class masks patches at random. Its encoder is a plain ViT with the same tensor names.
    return transformers.ViTModel if config.model_type == "vit_mae" else transformers.AutoModel, config


def _load_model(folder: Path, weights: Path | None, name: ModelName) -> nn.Module:
    import torch
    import transformers

    try:
        kind, config = _class_of(folder)
        arguments: dict[str, Any] = {"local_files_only": True, "output_loading_info": True, **NO_CODE}
        if weights:
            arguments |= {"pretrained_model_name_or_path": None, "config": config, "state_dict": read_weights(weights)}
            if kind is transformers.AutoModel:  # AutoModel does not accept a state dict, but the model class does
                with torch.device("meta"):
                    kind = type(kind.from_config(config))
        else:
            arguments |= {"pretrained_model_name_or_path": folder, "weights_only": True}
        model, info = kind.from_pretrained(**arguments)
        if info["missing_keys"] and all(key.startswith("pooler.") for key in info["missing_keys"]):
            # pretrained without a pooler; do not add a random one
            model, info = kind.from_pretrained(**arguments, add_pooling_layer=False)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(f"'{name.base}' could not be loaded with transformers: {_reason(error)}.") from error
    inside = {key.split(".", 1)[0] for key in model.state_dict()}
    unexpected = [
        key
        for key in info["unexpected_keys"]
        if key.removeprefix(f"{model.base_model_prefix}.").split(".")[0] in inside
    ]
    misshapen = [str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"]]
    refuse_misfit(str(weights or folder), sorted(info["missing_keys"]), sorted(unexpected), misshapen)
    return model


def _pool_last(tokens: torch.Tensor, class_token: bool, prefix: int) -> torch.Tensor:
    if tokens.ndim == 4:
        return tokens.mean((2, 3))
    return tokens[:, 0] if class_token else tokens[:, prefix:].mean(1)


def _refuse_other_libraries(folder: Path, name: ModelName) -> None:
    """Raise `ModelUnavailable` if ``folder`` has no valid config.json for transformers.

    For models from timm and open_clip, the message suggests the correct provider.
    """
    path = folder / "config.json"
    try:
        config = dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise ModelUnavailable(f"'{name.base}' has an invalid config.json ({one_line(error)}).") from error
    if "model_type" in config:
        return
    if "architecture" in config:
        provider = "timm"
    elif (folder / "open_clip_config.json").is_file():
        provider = "open_clip"
    else:
        raise ModelUnavailable(f"'{name.base}' has no config.json with a model_type that transformers supports.")
    target = name.model if local_folder(name.model) else f"hf-hub:{name.model}"
    raise ModelUnavailable(f"'{name.base}' is a model from {provider}. Use '{provider}:{target}'.")


def _reason(error: Exception) -> str:
    text = one_line(error)
    if "trust_remote_code" in text:
        return "it requires code from its repository, which is not executed for security reasons"
    return text[:300].rstrip(".")


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
