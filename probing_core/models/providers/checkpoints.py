"""Published state dicts that no library loads by name: SimCLR, SLIP and CSD.

``simclr:resnet50``, ``slip:simclr_base_25ep``, ``slip:clip_base_25ep`` and ``csd:vit-l``, each with ``@weights=PATH``
or from where its authors published it. Names of tensors and preprocessing follow the authors' code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probing_core.catalog import suggest
from probing_core.errors import UnknownName
from probing_core.models import hub
from probing_core.models.base import EmbedderSpec, Preprocessing
from probing_core.models.names import ModelName
from probing_core.models.network import Network, NetworkEmbedder
from probing_core.models.providers import timm as timm_
from probing_core.models.providers import torchvision as torchvision_
from probing_core.models.weights import load_weights, read_weights, refuse_misfit
from probing_core.paths import user_path

if TYPE_CHECKING:
    import torch

PREFIXES = ("simclr", "slip", "csd")

IMAGENET = Preprocessing(
    size=(224, 224), interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
OPENAI = Preprocessing(
    size=(224, 224), mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711)
)

SLIP_WIDTHS = {"small": (384, 12), "base": (768, 12), "large": (1024, 16)}
"""Size in SLIP's names -> width and heads of the ViT; its small one has 12 heads, not timm's 6."""


@dataclass(frozen=True)
class Family:
    """One family of state dicts.

    Attributes:
        build: tensors, where they come from -> the network with them in it.
        preprocessing: as in the authors' evaluation.
        source: of the weights (see `hub.on_disk`).
    """

    build: Callable[[Mapping[str, torch.Tensor], str], Network]
    preprocessing: Preprocessing
    source: str


def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> NetworkEmbedder:
    """Load one of `FAMILIES`, or a published checkpoint of the catalog that has the same form."""
    name = ModelName(spec.name, options)
    family = FAMILIES[spec.name]
    path = user_path(options["weights"]) if "weights" in options else hub.fetch_weights(family.source, name.base)
    network = family.build(read_weights(path), str(path))
    return NetworkEmbedder(name.full, network, family.preprocessing, options, device, precision)


def make_spec(name: ModelName) -> EmbedderSpec:
    """Return the spec of a family outside the catalog."""
    if name.base not in FAMILIES:
        raise UnknownName(
            f"There is no state dict called '{name.base}'.{suggest(name.base, FAMILIES)} "
            f"There are: {', '.join(FAMILIES)}."
        )
    return EmbedderSpec(
        name=name.base,
        family=name.provider,
        objective=name.model,
        dim=None,
        license="unknown",
        loader=load,
        **hub.published_at(FAMILIES[name.base].source),
    )


def build_simclr(tensors: Mapping[str, torch.Tensor], source: str) -> Network:
    """Build the ResNet-50 of SimCLR (Chen et al. 2020), converted to torchvision's names; the linear head is left
    out."""
    import torchvision

    model = torchvision.models.resnet50(weights=None)
    classifier = torchvision_.remove_classifier(model)
    load_weights(model, tensors, source, ignore=classifier)
    return torchvision_.network(model)


def build_slip(tensors: Mapping[str, torch.Tensor], source: str, width: int = 768, heads: int = 12) -> Network:
    """Build the image encoder of SLIP (Mu et al. 2022), timm's ViT; it is read before any projection, so that its
    SimCLR and its CLIP are compared at the same place."""
    import timm

    visual = {name.removeprefix("visual."): t for name, t in tensors.items() if name.startswith("visual.")}
    depth = len({name.split(".")[1] for name in visual if name.startswith("blocks.")}) or 12
    model = timm.create_model("vit_base_patch16_224", num_classes=0, embed_dim=width, num_heads=heads, depth=depth)
    load_weights(model, visual, source)
    return timm_.network(model)


def build_csd(tensors: Mapping[str, torch.Tensor], source: str) -> Network:
    """Build CSD (Somepalli et al. 2024): CLIP's ViT and a projection trained for style; length 1, as its authors use
    it."""
    import open_clip
    import torch

    backbone = {name.removeprefix("backbone."): t for name, t in tensors.items() if name.startswith("backbone.")}
    needed = ("last_layer_style", "backbone.conv1.weight", "backbone.positional_embedding")
    refuse_misfit(source, [name for name in needed if name not in tensors], [])
    width, _, patch, _ = backbone["conv1.weight"].shape
    grid = round((len(backbone["positional_embedding"]) - 1) ** 0.5)
    visual = open_clip.transformer.VisionTransformer(
        image_size=patch * grid,
        patch_size=patch,
        width=width,
        layers=len({m.group() for name in backbone if (m := re.match(r"transformer\.resblocks\.\d+", name))}),
        heads=width // 64,
        mlp_ratio=4.0,
        output_dim=width,
        act_layer=open_clip.transformer.QuickGELU,
    )
    visual.proj = None
    visual.register_parameter("style", torch.nn.Parameter(tensors["last_layer_style"].float()))
    load_weights(visual, backbone | {"style": tensors["last_layer_style"]}, source)

    def embed(batch: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(visual(batch) @ visual.style, dim=1)

    return Network(
        module=visual,
        embed=embed,
        pooling="cls, projected for style, length 1",
        blocks=list(visual.transformer.resblocks),
        prefix=1,
        class_token=True,
        pool="cls",
        versions={"open_clip": open_clip.__version__},
    )


def _slip(name: str) -> Family:
    width, heads = SLIP_WIDTHS[name.split("_")[1]]
    return Family(
        lambda tensors, source: build_slip(tensors, source, width, heads),
        IMAGENET,
        f"https://dl.fbaipublicfiles.com/slip/{name}.pt",
    )


_SIMCLR = Family(
    build_simclr,
    Preprocessing(size=(224, 224), crop=0.875),  # values stay in [0, 1]: SimCLR subtracts no mean
    "lightly-ai/simclrv1-imagenet1k-resnet50-1x",
)
_CSD = Family(build_csd, OPENAI, "tomg-group-umd/CSD-ViT-L")

FAMILIES: dict[str, Family] = {
    "simclr:resnet50": _SIMCLR,
    "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x": _SIMCLR,
    **{
        f"slip:{objective}_{size}_25ep": _slip(f"{objective}_{size}_25ep")
        for objective in ("simclr", "clip", "slip")
        for size in SLIP_WIDTHS
    },
    "csd:vit-l": _CSD,
    "hf:tomg-group-umd/CSD-ViT-L": _CSD,
}
"""Model name -> how its state dict becomes a network."""
