"""The zoo: small encoders pretrained by this project, which differ only in their training objective.

Weights are in ``data/zoo/<name>.safetensors``, with a model card ``<name>.md``. Additional seeds (``zoo/mae@seed=1``)
are in ``data/zoo/seeds``, which is not part of the package.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.models.embedder import Availability, EmbedderSpec
from probing_core.models.model_names import ModelName
from probing_core.models.zoo_input import SIZE, WIDTH
from probing_core.paths import data_dir, user_path

if TYPE_CHECKING:
    from probing_core.models.zoo_network import ViTEmbedder

DATA = "13,069 pictures of Caltech-101 and PACS"
ZOO_LICENSE = "research use: trained on Caltech-101 (CC BY 4.0) and PACS, whose pictures state no license"

ENCODERS = {
    "supervised": ("supervised", "supervised"),
    "simclr": ("SimCLR", "SimCLR"),
    "mae": ("MAE", "MAE"),
    "can": ("CAN", "CAN"),
    "clip": ("CLIP-style", ""),
    "align": ("ALIGN-style", ""),
    "simclr-matched": ("SimCLR, views of crop and flip alone", ""),
    "clip-plain": ("CLIP-style, captions without style", "CLIP"),
    "align-plain": ("ALIGN-style, captions without style", "ALIGN"),
}
"""Objective and role in the claims, by encoder. Encoders trained on captions with style words have no role."""


def weights_path(name: str, seed: int = 0) -> Path:
    """Return the path of the weights of the encoder ``name``.

    The file may not exist: only the weights for ``seed`` 0 are included in the package.
    """
    if seed:
        return data_dir() / "zoo" / "seeds" / f"{name}-seed-{seed}.safetensors"
    return data_dir() / "zoo" / f"{name}.safetensors"


def _load(name: ModelName, device: str, precision: str) -> ViTEmbedder:
    from probing_core.models.zoo_network import load_zoo

    options = dict(name.options)
    seed = int(options.pop("seed", 0))
    if seed and "weights" in options:
        raise BadConfig(f"'{name.base}' accepts '@weights=' or '@seed=', not both. A weight file has a fixed seed.")
    path = user_path(options["weights"]) if "weights" in options else weights_path(name.base.removeprefix("zoo/"), seed)
    if seed and not path.is_file():
        raise ModelUnavailable(
            f"There is no training run of '{name.base}' with seed {seed}: '{path}' is missing. Additional seeds are "
            f"included only in a clone of the repository."
        )
    return load_zoo(path, name.full, options, device, precision)


def _check(name: str) -> Availability:
    path = weights_path(name)
    if path.is_file():
        return Availability(True)
    return Availability(
        False,
        f"its weights '{path}' are missing",
        hint=f"Reinstall the project, or train them with `python -m lab.pretraining {name} --corpus C --out DIR`.",
    )


SPECS = tuple(
    EmbedderSpec(
        name=f"zoo/{name}",
        family="ViT",
        objective=objective,
        dim=WIDTH,
        license=ZOO_LICENSE,
        weights="in the project",
        data=DATA,
        input_size=SIZE,
        role=role,
        loader=_load,
        check=partial(_check, name),
    )
    for name, (objective, role) in ENCODERS.items()
)
