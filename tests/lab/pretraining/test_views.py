from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from lab.pretraining.views import (
    LUMA,
    Views,
    blur_matrices,
    hue_matrices,
    resize_matrices,
)

SIMCLR = Views(scale=(0.2, 1), jitter=(0.4, 0.4, 0.4, 0.1), jitter_chance=0.8, gray=0.2, blur=0.5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shape_range_and_seed(pictures) -> None:
    views = SIMCLR(pictures, generator())
    assert views.shape == (16, 3, 128, 128)
    assert views.dtype == torch.float32
    assert 0 <= views.min() < 0.05
    assert 0.95 < views.max() <= 1
    assert torch.equal(views, SIMCLR(pictures, generator()))
    assert not torch.equal(views, SIMCLR(pictures, generator(1)))


def test_autocast_does_not_posterize(pictures) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        views = SIMCLR(pictures, generator())
    assert torch.equal(views, SIMCLR(pictures, generator()))


def test_a_whole_crop_is_a_resize(pictures) -> None:
    matrices = resize_matrices(torch.zeros(16), torch.ones(16), 144)[:, None]
    ours = matrices @ pictures.float() @ matrices.mT
    theirs = torch.nn.functional.interpolate(pictures.float(), 128, mode="bilinear", antialias=True)
    assert (ours - theirs).abs().max() < 0.01


def test_crops_stay_inside_and_keep_the_area() -> None:
    rows, columns = Views(scale=(0.2, 0.5), flip=0).crops(500, 144, generator())
    pixels = torch.arange(144) + 0.5
    heights, widths = ((m @ pixels)[:, -1] - (m @ pixels)[:, 0] for m in (rows, columns))
    share = heights * widths / 144**2 * (128 / 127) ** 2
    assert share.min() > 0.18
    assert share.max() < 0.52
    assert torch.allclose(rows.sum(-1), torch.ones(500, 128))
    ratio = widths / heights
    assert ratio.min() > 0.7
    assert ratio.max() < 1.4


def test_flip_mirrors(pictures) -> None:
    plain, flipped = (Views(scale=(0.3, 1), flip=chance)(pictures, generator()) for chance in (0.0, 1.0))
    assert torch.allclose(plain.flip(-1), flipped, atol=1e-5)


def test_half_of_the_views_are_flipped() -> None:
    _, columns = Views(scale=(0.5, 0.5)).crops(1000, 144, generator())
    centers = columns @ (torch.arange(144) + 0.5)
    share = (centers[:, 0] > centers[:, -1]).float().mean()
    assert 0.45 < share < 0.55


def test_blur_is_gaussian(pictures) -> None:
    image = pictures[:1, :, :128, :128].float()
    matrix = blur_matrices(1, 1.0, generator())
    sigma = 0.1 + 1.9 * torch.rand(1, generator=generator()).item()
    theirs = tv.gaussian_blur(image, [25, 25], [sigma, sigma])
    inside = (..., slice(12, -12), slice(12, -12))
    assert ((matrix @ image @ matrix.mT)[inside] - theirs[inside]).abs().max() < 0.05


@pytest.mark.parametrize(("which", "reference"), [(0, "brightness"), (1, "contrast"), (2, "saturation")])
def test_jitter_is_torchvisions(pictures, which: int, reference: str) -> None:
    image = pictures.float() / 255
    jitter = tuple(0.4 if position == which else 0.0 for position in range(4))
    views = Views(scale=(1, 1), jitter=jitter, jitter_chance=1)
    matrix, offset = views.colors(image.mean(dim=(2, 3)), generator())
    ours = (torch.baddbmm(offset[:, :, None], matrix, image.flatten(2)).view_as(image)).clamp(0, 1)
    draws = generator()
    factors = [0.6 + 0.8 * torch.rand(16, generator=draws) for _ in range(3)][which]
    adjust = getattr(tv, f"adjust_{reference}")
    theirs = torch.stack([adjust(x, float(f)) for x, f in zip(image, factors, strict=True)])
    assert (ours - theirs).abs().max() < 2e-3


def test_hue_turns_about_gray_and_keeps_luma() -> None:
    turns = hue_matrices(torch.tensor([0.1, -0.1, 1.0]))
    gray = torch.full((3, 1), 0.4)
    assert torch.allclose(turns @ gray, gray.expand(3, 3, 1), atol=2e-3)
    assert torch.allclose(torch.tensor(LUMA) @ turns, torch.tensor(LUMA).expand(3, 3), atol=1e-4)
    assert torch.allclose(turns[2], torch.eye(3), atol=1e-4)
    assert torch.allclose(turns[0] @ turns[1], torch.eye(3), atol=1e-4)
    assert (turns[0] - torch.eye(3)).abs().max() > 0.2


def test_gray_drops_color(pictures) -> None:
    views = Views(scale=(1, 1), jitter=(0.4, 0.4, 0.4, 0.1), jitter_chance=1, gray=1)(pictures, generator())
    inside = (views > 0.001) & (views < 0.999)
    assert (views.amax(1) - views.amin(1))[inside.all(1)].max() < 1e-4
