"""The zoo's one encoder: a small ViT that is the same for every objective, and how it embeds pictures.

128 px, patches of 16 px (64 tokens), width 192, depth 6, 3 heads, no class token: 2.8 M parameters and 0.37 GFLOP an
image. The embedding is the mean of the normalized patch tokens, so that objectives which never train a class
token (MAE, CAN) are read out like the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.embedders.base import LoadedEmbedder, Preprocessing
from probing_core.embedders.names import with_layer
from probing_core.embedders.preprocessing import make_batch
from probing_core.errors import BadConfig
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch
    from timm.models.vision_transformer import VisionTransformer

SIZE, PATCH, WIDTH, DEPTH, HEADS = 128, 16, 192, 6, 3
TOKENS = (SIZE // PATCH) ** 2

PREPROCESSING = Preprocessing(
    size=(SIZE, SIZE),
    resize="shorter",
    crop=1.0,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),  # of ImageNet, the field's convention for photographs
    std=(0.229, 0.224, 0.225),
)


def init_vit(seed: int) -> VisionTransformer:
    """The encoder with random weights drawn from ``seed`` alone; the global random state stays as it was.

    Positions start as the two-dimensional sine and cosine code of MAE (He et al. 2022) and are trained: at fewer
    than two thousand steps, positions drawn at random would cost the masked objectives much of their training.
    """
    import torch
    from timm.layers import build_sincos2d_pos_embed
    from timm.models.vision_transformer import VisionTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = VisionTransformer(
            img_size=SIZE,
            patch_size=PATCH,
            embed_dim=WIDTH,
            depth=DEPTH,
            num_heads=HEADS,
            num_classes=0,
            class_token=False,
            global_pool="avg",
            fc_norm=False,  # tokens are normalized before the mean, so that decoders receive them normalized too
        )
    grid = [SIZE // PATCH, SIZE // PATCH]
    vit.pos_embed = torch.nn.Parameter(build_sincos2d_pos_embed(grid, WIDTH, interleave_sin_cos=False)[None])
    return vit


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """What the encoder receives: (N, 3, H, W) in [0, 1], less `PREPROCESSING`'s mean, over its std."""
    import torch

    mean = torch.tensor(PREPROCESSING.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(PREPROCESSING.std, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / std


def weights_hash(vit: torch.nn.Module) -> str:
    """A digest of every weight, by name, as 32-bit floats."""
    digest = hashlib.sha256()
    for name, tensor in sorted(vit.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


class ViTEmbedder(LoadedEmbedder):
    """The zoo's encoder in memory.

    Args:
        name: the full name, options included.
        vit: from `init_vit`, with whatever weights.
        options: ``layer`` (1 to `DEPTH`: the mean of the tokens that block gives out, before the last
            normalization; ``all``: each of them from one pass); ``pool`` may say ``mean``, which is all there is.
        device: where it runs.
        precision: ``float32``, ``bfloat16`` or ``float16``; the last two by autocast.

    Raises:
        BadConfig: an option the encoder does not have.
    """

    def __init__(
        self,
        name: str,
        vit: VisionTransformer,
        options: Mapping[str, str] | None = None,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        options = dict(options or {})
        if options.get("pool", "mean") != "mean":
            raise BadConfig(f"{name}: pool must be 'mean'; got '{options['pool']}'. The encoder has no class token.")
        layer = options.get("layer", "")
        if layer not in ("", "all", *map(str, range(1, DEPTH + 1))):
            raise BadConfig(f"{name}: layer must be 1 to {DEPTH} or 'all'; got '{layer}'.")
        self.name, self.dim, self.device, self.precision = name, WIDTH, device, precision
        self.layer = layer
        self._digest = weights_hash(vit)
        self._vit = vit.eval().to(device)
        self._threads = ThreadPoolExecutor(2)

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        """Embeddings (N, 192) ``float32``; of the last layer if the name asked for all of them."""
        return list(self.embed_layers(images).values())[-1]

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        batches = [self._forward(images[i : i + self.batch_size]) for i in range(0, len(images), self.batch_size)]
        return {
            name: np.concatenate([batch[k] for batch in batches]) if batches else np.zeros((0, WIDTH), np.float32)
            for k, name in enumerate(self._names())
        }

    def recipe(self) -> dict[str, Any]:
        import timm
        import torch

        return {
            "weights": self._digest,
            "architecture": f"ViT {SIZE} px, patch {PATCH}, width {WIDTH}, depth {DEPTH}, {HEADS} heads",
            "size": [SIZE, SIZE],
            "resize": PREPROCESSING.resize,
            "interpolation": PREPROCESSING.interpolation,
            "mean": list(PREPROCESSING.mean),
            "std": list(PREPROCESSING.std),
            "pool": "mean",
            "layer": self.layer,
            "precision": self.precision,
            "torch": torch.__version__,
            "timm": timm.__version__,
        }

    def close(self) -> None:
        self._vit = self._vit.to("meta")
        self._threads.shutdown()

    def _names(self) -> list[str]:
        if self.layer != "all":
            return [self.name]
        return [with_layer(self.name, number) for number in range(1, DEPTH + 1)]

    def _forward(self, images: Sequence[Image]) -> list[np.ndarray]:
        """One embedding matrix for each of `_names`."""
        import torch

        batch = torch.from_numpy(make_batch(images, PREPROCESSING, self._threads))
        half = getattr(torch, self.precision)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.split(":")[0], dtype=half, enabled=half is not torch.float32),
        ):
            inputs = batch.to(self.device).permute(0, 3, 1, 2)
            tokens: Any
            if not self.layer:
                tokens = [self._vit.forward_features(inputs)]
            else:
                wanted = list(range(DEPTH)) if self.layer == "all" else [int(self.layer) - 1]
                tokens = self._vit.forward_intermediates(
                    inputs, indices=wanted, output_fmt="NLC", intermediates_only=True, stop_early=True
                )
            return [t.float().mean(dim=1).cpu().numpy() for t in tokens]
