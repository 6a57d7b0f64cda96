"""Objectives: an encoder, the modules that are dropped after training, and a loss; what several share comes first."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from lightly.models.utils import get_at_index, normalize_mean_var, patchify, set_at_index
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from lab.pretraining.recipe import PretrainingRecipe
from lab.pretraining.text_tower import PADDING, TextTower, Vocabulary
from lab.pretraining.views import Views
from probing_core.errors import BadConfig
from probing_core.models.zoo_input import PATCH, PATCHES_PER_SIDE, PREPROCESSING, TOKENS, WIDTH
from probing_core.models.zoo_network import KERNELS, PatchStem, init_vit


class Objective(nn.Module, ABC):
    """One way to train the encoder. The encoder's start and the order of pictures are the same for all.

    Args:
        rows: the pictures of the training in order, with ``label`` and ``style``; objectives that learn from
            captions or labels take them from here.
        views: what is drawn from a picture at each step.
        seed: of the initial weights.
    """

    views: Callable[[Tensor, torch.Generator], Tensor]

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int) -> None:
        super().__init__()
        self.views = views
        self.encoder = init_vit(seed)

    @abstractmethod
    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Return ``"loss"``, and the terms of which it is the sum, for the log.

        Args:
            pictures: (N, 3, S, S) ``uint8``.
            indices: (N,) their positions in ``rows``.
            generator: the source of everything random in this step.
        """

    def after_step(self) -> None:
        """Restrict weights that must stay within bounds; called after each step of the optimizer."""

    def extra_weights(self) -> dict[str, Tensor]:
        """Return the weights beside the encoder's that ship, by name."""
        return {}

    def extra_facts(self) -> dict[str, Any]:
        """Return the facts that the shipped file must state for those weights to be used, in JSON types."""
        return {}


def projector() -> nn.Module:
    """Return an MLP 192 -> 512 -> 128 with batch normalization; dropped after training (Chen et al. 2020)."""
    return SimCLRProjectionHead(WIDTH, 512, 128)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return NT-Xent between two views (N, D) each."""
    with _full_precision(first):
        return NTXentLoss(temperature)(first.float(), second.float())


def image_text_loss(images: Tensor, texts: Tensor, positives: Tensor, scale: Tensor, smoothing: float) -> Tensor:
    """Return the symmetric InfoNCE in which a picture may have several positives (UniCL, Yang et al. 2022).

    The target of a row is spread evenly over its positives. Where these are texts that are embedded alike, the loss
    is that of one positive each, since they share their logits; it differs as soon as they do not.

    Args:
        images, texts: (N, D), of any length.
        positives: (N, N) bool, symmetric, True on the diagonal: the texts that are right for a picture.
        scale: factor of the cosines, one over the temperature.
        smoothing: share of the target that is spread over all (Szegedy et al. 2016).
    """
    with _full_precision(images):
        images, texts = (nn.functional.normalize(x.float(), dim=1) for x in (images, texts))
        logits = scale * (images @ texts.T)
    targets = positives.float() / positives.sum(dim=1, keepdim=True)
    return (
        nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        + nn.functional.cross_entropy(logits.T, targets, label_smoothing=smoothing)
    ) / 2


def equal_rows(tokens: Tensor) -> Tensor:
    """Return (N, N) bool: which rows of ``tokens`` (N, L) are the same caption."""
    return torch.all(tokens[:, None] == tokens[None], dim=-1)


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context manager that disables autocast.

    At a temperature of 0.07, bfloat16 would round the logits by 0.06.
    """
    return torch.autocast(tensor.device.type, enabled=False)


PIXELS = 3 * PATCH**2
"""Numbers of one patch."""


def random_masks(n: int, ratio: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the positions of the visible (N, K) and of the masked patches (N, 64 - K); ``ratio`` of them are masked.

    lightly's own draws from the global random state and spares the first token for a class token.
    """
    order = torch.rand(n, TOKENS, generator=generator, device=generator.device).argsort(dim=1)
    visible = round(TOKENS * (1 - ratio))
    return order[:, :visible], order[:, visible:]


def normalize(pixels: Tensor) -> Tensor:
    """Return the input of the encoder: (N, 3, H, W) in [0, 1], less its preprocessing's mean, over its deviation."""
    mean = torch.tensor(PREPROCESSING.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(PREPROCESSING.std, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / std


def visible_tokens(stem: nn.Module, images: Tensor, visible: Tensor) -> Tensor:
    """Return the tokens (N, K, D) of the patches at the positions ``visible`` (N, K); only they are computed.

    The output of a `PatchStem`'s convolutions is computed from the cells of these patches by matrix products.
    """
    assert isinstance(stem, PatchStem)
    x = cut_cells(images)
    x = x.gather(1, visible.view(*visible.shape, 1, 1, 1).expand(-1, -1, *x.shape[2:]))
    for position, layer in enumerate(stem.maps):
        assert isinstance(layer, nn.Conv2d)
        weight = layer.weight.permute(0, 2, 3, 1).flatten(1)  # in the order of a cell: rows, columns, channels
        x = nn.functional.relu_(x).flatten(-2) if position else x
        x = nn.functional.linear(x, weight, layer.bias)
    return x


def cut_cells(images: Tensor) -> Tensor:
    """Cut (N, 3, 128, 128) into (N, 64, 4, 4, 48): patches, quarters, quarters of those, values of a cell."""
    inner, middle, outer = KERNELS
    rows_and_columns = (PATCHES_PER_SIDE, outer, middle, inner)
    x = images.permute(0, 2, 3, 1).reshape(len(images), *rows_and_columns, *rows_and_columns, 3)
    x = x.permute(0, 1, 5, 2, 6, 3, 7, 4, 8, 9)
    return x.reshape(len(images), TOKENS, outer**2, middle**2, inner**2 * 3)


def encode_visible(encoder: VisionTransformer, images: Tensor, visible: Tensor) -> Tensor:
    """Return the normalized tokens (N, K, 192) of the visible patches; nothing is computed of the masked ones."""
    assert encoder.pos_embed is not None
    positions = get_at_index(encoder.pos_embed.expand(len(images), -1, -1), visible)
    return encoder.norm(encoder.blocks(visible_tokens(encoder.patch_embed, images, visible) + positions))


def patches(images: Tensor) -> Tensor:
    """Cut (N, 3, 128, 128) into patches (N, 64, 768), in the order of the tokens."""
    return patchify(images, PATCH)


class Decoder(nn.Module):
    """Two blocks of width 128 that predict every patch from the visible ones (MAE, He et al. 2022)."""

    def __init__(self, width: int = 128, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(WIDTH, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.normal_(self.mask_token, std=0.02)
        positions = build_sincos2d_pos_embed([PATCHES_PER_SIDE, PATCHES_PER_SIDE], width, interleave_sin_cos=False)
        self.register_buffer("positions", positions[None], persistent=False)
        self.blocks = nn.Sequential(*(Block(width, heads, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, PIXELS)

    def forward(self, latents: Tensor, visible: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the predictions (N, 64, 768) ``float32`` for all patches.

        Args:
            latents: (N, K, 192) from `encode_visible`.
            visible: (N, K) where they belong.
            condition: (N, width) added to every token.
        """
        embedded = self.embed(latents)
        tokens = self.mask_token.to(embedded.dtype).expand(len(latents), TOKENS, -1)
        tokens = set_at_index(tokens, visible, embedded) + self.positions
        if condition is not None:
            tokens = tokens + condition[:, None]
        return self.predict(self.norm(self.blocks(tokens))).float()


def error_at(prediction: Tensor, target: Tensor, positions: Tensor) -> Tensor:
    """Return the mean squared error over the patches at ``positions`` (N, K) alone."""
    return nn.functional.mse_loss(get_at_index(prediction, positions), get_at_index(target, positions))


STYLES = {
    "photo": "a photo of",
    "art_painting": "a painting of",
    "cartoon": "a cartoon of",
    "sketch": "a pencil sketch of",
}
PLAIN = "a picture of"
"""Names no style; also for a style without words of its own."""


def captions(rows: pd.DataFrame, *, name_style: bool) -> list[str]:
    """Return one caption a row, from ``label`` and ``style``: "a pencil sketch of a horse"."""
    styles = rows["style"] if "style" in rows else ["photo"] * len(rows)
    return [
        f"{STYLES.get(style, PLAIN) if name_style else PLAIN} {noun(label)}"
        for label, style in zip(rows["label"], styles, strict=True)
    ]


def noun(label: str) -> str:
    """Return a label with its article: ``an elephant`` for ``elephant``, ``a car side`` for ``car_side``."""
    text = label.replace("_", " ").replace("-", " ").lower()
    return f"{'an' if text[:1] in 'aeiou' else 'a'} {text}"


class Supervised(Objective):
    """Cross-entropy on the label, by a linear head on the mean-pooled tokens."""

    labels: Tensor

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int, *, smoothing: float) -> None:
        super().__init__(rows, views, seed)
        codes, names = pd.factorize(rows["label"], sort=True)
        self.register_buffer("labels", torch.from_numpy(codes), persistent=False)
        self.head = nn.Linear(WIDTH, len(names))
        self.smoothing = smoothing

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        logits = self.head(self.encoder(normalize(self.views(pictures, generator)))).float()
        loss = nn.functional.cross_entropy(logits, self.labels[indices], label_smoothing=self.smoothing)
        return {"loss": loss}


class SimCLR(Objective):
    """SimCLR (Chen et al. 2020): recognize two views of a picture among those of others, at a ``temperature``."""

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int, *, temperature: float) -> None:
        super().__init__(rows, views, seed)
        self.projector = projector()
        self.temperature = temperature

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        views = torch.cat([self.views(pictures, generator), self.views(pictures, generator)])
        first, second = self.projector(self.encoder(normalize(views))).chunk(2)
        return {"loss": nt_xent(first, second, self.temperature)}


class MAE(Objective):
    """Masked autoencoder (He et al. 2022): fill in the hidden share ``mask`` of the patches of each picture."""

    def __init__(self, rows: pd.DataFrame, views: Views, seed: int, *, mask: float) -> None:
        super().__init__(rows, views, seed)
        self.decoder = Decoder()
        self.mask = mask

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        images = normalize(self.views(pictures, generator))
        visible, masked = random_masks(len(images), self.mask, generator)
        prediction = self.decoder(encode_visible(self.encoder, images, visible), visible)
        return {"loss": error_at(prediction, normalize_mean_var(patches(images)), masked)}


CONTRAST, RECONSTRUCTION, NOISE = 0.03, 0.67, 0.30
"""Weights of the three terms, the paper's."""

LEVEL_WIDTH = 128

CELL = 4
"""Pixels of the side of the cells whose highest frequency the noise term predicts."""


class CAN(Objective):
    """CAN: contrast, masked autoencoding and noise prediction in one pass (Mishra et al. 2022, arXiv 2210.16870).

    Two views of each picture get noise of different levels and lose half of their patches. The mean of the visible
    tokens enters the contrast; a decoder predicts the clean pixels of the masked patches, and a head the noise of the
    visible ones. Both receive the noise level.

    The noise term differs from the paper's in two things, without which it was not learned (docs/zoo-encoder.md). Of
    the noise, the target is one band: a patch has 768 independent values and a token 192 numbers, whereas the highest
    band of 4 x 4 cells has 48 values a patch, and photographs have least there. And the head reads the tokens
    themselves, not what the decoder makes of them.

    Args:
        mask: share of the patches that each view loses.
        temperature: of the contrast.
        sigma: largest standard deviation of the noise, in units of [0, 1]; levels are uniform from 0.
    """

    def __init__(
        self, rows: pd.DataFrame, views: Views, seed: int, *, mask: float, temperature: float, sigma: float
    ) -> None:
        super().__init__(rows, views, seed)
        self.projector = projector()
        self.decoder = Decoder(LEVEL_WIDTH)
        self.noise = NoiseHead()
        self.level = nn.Sequential(nn.Linear(LEVEL_WIDTH, LEVEL_WIDTH), nn.GELU(), nn.Linear(LEVEL_WIDTH, LEVEL_WIDTH))
        self.mask, self.temperature, self.sigma = mask, temperature, sigma

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        clean = torch.cat([self.views(pictures, generator), self.views(pictures, generator)])
        n, device = len(clean), clean.device
        sigma = self.sigma * torch.rand(n, generator=generator, device=device)
        noise = torch.randn(clean.shape, generator=generator, device=device)
        visible, masked = random_masks(n, self.mask, generator)

        latents = encode_visible(self.encoder, normalize(clean + sigma.view(-1, 1, 1, 1) * noise), visible)
        first, second = self.projector(latents.mean(dim=1)).chunk(2)
        level = self.level(sinusoid(sigma / self.sigma))
        pixels = self.decoder(latents, visible, level)

        contrast = nt_xent(first, second, self.temperature)
        reconstruction = error_at(pixels, patches(normalize(clean)), masked)
        noise_error = nn.functional.mse_loss(self.noise(latents, level), get_at_index(highest_band(noise), visible))
        return {
            "loss": CONTRAST * contrast + RECONSTRUCTION * reconstruction + NOISE * noise_error,
            "contrast": contrast,
            "reconstruction": reconstruction,
            "noise": noise_error,
        }


class NoiseHead(nn.Module):
    """Tokens and the noise level -> the noise in each token's patch, in one band."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(WIDTH, LEVEL_WIDTH)
        self.predict = nn.Linear(LEVEL_WIDTH, 3 * (PATCH // CELL) ** 2)

    def forward(self, latents: Tensor, level: Tensor) -> Tensor:
        """Return (N, K, 48) ``float32`` for tokens (N, K, 192) and levels (N, 128)."""
        return self.predict(nn.functional.gelu(self.embed(latents) + level[:, None])).float()


def highest_band(noise: Tensor) -> Tensor:
    """Return the highest frequency of each `CELL` of ``noise`` (N, 3, 128, 128): (N, 64, 48), in the order of the
    tokens.

    It is the product with one function of the orthonormal two-dimensional cosine transform (DCT-II): one value a cell
    and channel, of the same variance as the noise.
    """
    places = torch.arange(CELL, device=noise.device) + 0.5
    wave = torch.cos(math.pi * (CELL - 1) * places / CELL) * math.sqrt(2 / CELL)
    n, channels, height, width = noise.shape
    cells = noise.reshape(n, channels, height // CELL, CELL, width // CELL, CELL)
    values = (cells * wave[:, None, None] * wave).sum(dim=(3, 5))
    return patchify(values, PATCH // CELL)


def sinusoid(fraction: Tensor) -> Tensor:
    """Return the transformer's code (N, 128) of a level in [0, 1], spread over a thousand positions as in diffusion
    models."""
    frequencies = torch.exp(
        -math.log(10_000) * torch.arange(LEVEL_WIDTH // 2, device=fraction.device) / (LEVEL_WIDTH // 2)
    )
    angles = 1000 * fraction[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


MAX_LOG_SCALE = math.log(100)
"""CLIP's bound: beyond it, training becomes unstable."""


class CLIP(Objective):
    """CLIP-style (Radford et al. 2021): symmetric InfoNCE with a learned scale, captions made of labels.

    Equal captions are positives of each other, since a batch of 256 holds each of some hundred captions several times.

    Args:
        name_style: whether captions name the style.
        temperature: where the learned temperature starts.
        smoothing: of the targets.
    """

    tokens: Tensor

    def __init__(
        self,
        rows: pd.DataFrame,
        views: Views,
        seed: int,
        *,
        name_style: bool,
        temperature: float,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(rows, views, seed)
        texts = captions(rows, name_style=name_style)
        self.vocabulary = Vocabulary.of(texts)
        self.register_buffer("tokens", self.vocabulary.encode(texts), persistent=False)
        self.text = TextTower(len(self.vocabulary.words))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.smoothing = smoothing

    def texts(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return the tokens (N, 16) of the captions of the pictures at ``indices``."""
        return self.tokens[indices]

    def forward(self, pictures: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        images = self.encoder(normalize(self.views(pictures, generator)))
        tokens = self.texts(indices, generator)
        scale = self.log_scale.exp()
        loss = image_text_loss(images, self.text(tokens), equal_rows(tokens), scale, self.smoothing)
        return {"loss": loss, "scale": scale}

    def after_step(self) -> None:
        with torch.no_grad():
            self.log_scale.clamp_(0, MAX_LOG_SCALE)

    def extra_weights(self) -> dict[str, Tensor]:
        return {f"text.{name}": tensor for name, tensor in self.text.state_dict().items()}

    def extra_facts(self) -> dict[str, Any]:
        return {"words": list(self.vocabulary.words)}


NOISY = 0.25
"""Share of the captions that are wrong, half of them swapped with another picture's, half with words replaced."""


class ALIGN(CLIP):
    """ALIGN-style (Jia et al. 2021): as CLIP, with a quarter of the captions corrupted or swapped anew at each step."""

    def texts(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        tokens = super().texts(indices, generator)
        draw = _rand(len(tokens), 1, generator=generator)
        shuffled = tokens[_rand(len(tokens), generator=generator).argsort()]
        random_words = torch.randint(
            1, len(self.vocabulary.words) + 1, tokens.shape, generator=generator, device=tokens.device
        )
        replaced = (_rand(*tokens.shape, generator=generator) < 0.5) & (tokens != PADDING)
        corrupted = torch.where(replaced, random_words, tokens)
        return torch.where(draw < NOISY / 2, shuffled, torch.where(draw < NOISY, corrupted, tokens))


def _rand(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


OBJECTIVES: dict[str, type[Objective]] = {
    "supervised": Supervised,
    "simclr": SimCLR,
    "mae": MAE,
    "can": CAN,
    "clip": CLIP,
    "align": ALIGN,
}


def build(recipe: PretrainingRecipe, rows: pd.DataFrame, seed: int) -> Objective:
    """Build the objective of ``recipe`` with fresh weights; the global random state is restored."""
    if recipe.objective not in OBJECTIVES:
        raise BadConfig(
            f"The recipe '{recipe.name}' names the objective '{recipe.objective}'; there are: {', '.join(OBJECTIVES)}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OBJECTIVES[recipe.objective](rows, recipe.views, seed, **recipe.options)
