"""The architectures of the zoo's encoders: a file of weights names its own, and none where it is of the first zoo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probing_core.errors import BadConfig
from probing_core.models.zoo import vit

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


@dataclass(frozen=True)
class Architecture:
    """A network that an encoder of the zoo can be.

    Attributes:
        name: as the facts of a file of weights give it.
        init: seed -> the network with random weights, drawn without a trace in the global random state.
        description: what it is made of, in words; part of the recipe of an embedding.
    """

    name: str
    init: Callable[[int], VisionTransformer]
    description: str


def _init_patch_stem(seed: int) -> VisionTransformer:
    from probing_core.models.zoo.patch_stem import init_patch_stem_vit  # it imports torch at once

    return init_patch_stem_vit(seed)


LINEAR_PATCH = Architecture("linear-patch", vit.init_vit, vit.DESCRIPTION)
PATCH_STEM = Architecture(
    "patch-stem",
    _init_patch_stem,
    "ViT 128 px, patch 16, stem of 96 and 128 channels inside the patches, width 192, depth 4, 3 heads",
)
ARCHITECTURES = {architecture.name: architecture for architecture in (LINEAR_PATCH, PATCH_STEM)}

CURRENT = PATCH_STEM
"""Architecture of the encoders in ``data/zoo``, of those that `python -m lab.pretraining` trains, and of
``baseline/random-vit``."""


def architecture_of(facts: Mapping[str, Any]) -> Architecture:
    """Return the architecture that a file's facts name; the first zoo's where they name none.

    Raises:
        BadConfig: this version has no such architecture.
    """
    name = facts.get("architecture", LINEAR_PATCH.name)
    if name not in ARCHITECTURES:
        raise BadConfig(f"The architecture '{name}' is not among those of the zoo: {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]
