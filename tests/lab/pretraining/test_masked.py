from __future__ import annotations

import torch

from lab.pretraining.objectives import (
    Decoder,
    cut_cells,
    encode_visible,
    error_at,
    patches,
    random_masks,
    visible_tokens,
)
from probing_core.models.zoo_input import SIZE, WIDTH
from probing_core.models.zoo_network import init_vit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blank(images: torch.Tensor, positions: torch.Tensor, value: float = 7.0) -> torch.Tensor:
    """``images`` with ``value`` in the patches at ``positions`` (N, K)."""
    changed = images.clone()
    for number, row in enumerate(positions.tolist()):
        for position in row:
            y, x = divmod(position, 8)
            changed[number, :, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = value
    return changed


def test_masks_part_the_patches_and_spare_none() -> None:
    visible, masked = random_masks(2000, 0.75, generator())
    assert visible.shape == (2000, 16)
    assert torch.equal(torch.cat([visible, masked], 1).sort().values, torch.arange(64).expand(2000, 64))
    share = torch.bincount(masked.flatten(), minlength=64) / 2000
    assert share.min() > 0.7  # of the first patch too, where others keep a class token
    assert share.max() < 0.8


def test_no_hidden_pixel_changes_a_visible_token_in_training() -> None:
    encoder, images = init_vit(0).train(), torch.randn(2, 3, 128, 128, generator=generator())
    visible, masked = random_masks(2, 0.5, generator())
    with torch.no_grad():
        before = encode_visible(encoder, images, visible)
        assert torch.equal(before, encode_visible(encoder, blank(images, masked), visible))
        assert torch.equal(before, encode_visible(encoder, blank(images, masked, float("nan")), visible))
        changed = encode_visible(encoder, blank(images, visible[:, :1]), visible)
        assert ((before - changed).abs().amax(-1) > 1e-4).all()  # a visible patch changes all of them


def test_no_gradient_reaches_a_hidden_pixel() -> None:
    encoder, images = init_vit(0).train(), torch.randn(2, 3, 128, 128, generator=generator())
    images.requires_grad_()
    visible, masked = random_masks(2, 0.75, generator())
    encode_visible(encoder, images, visible).square().sum().backward()
    reached = patches(images.grad).abs().amax(-1) > 0
    assert reached.gather(1, visible).all()
    assert not reached.gather(1, masked).any()


def test_another_picture_of_the_batch_changes_no_token_in_training() -> None:
    encoder, images = init_vit(0).train(), torch.randn(2, 3, 128, 128, generator=generator())
    visible, _ = random_masks(2, 0.75, generator())
    other = images.clone()
    other[1] = 5.0
    with torch.no_grad():
        before, after = (encode_visible(encoder, x, visible) for x in (images, other))
    assert torch.allclose(before[0], after[0], atol=1e-5)
    assert not torch.allclose(before[1], after[1], atol=1e-2)


def test_with_everything_visible_it_is_the_encoder() -> None:
    encoder, images = init_vit(0), torch.randn(2, 3, 128, 128, generator=generator())
    everything = torch.arange(64).expand(2, 64)
    with torch.no_grad():
        assert torch.allclose(encode_visible(encoder, images, everything), encoder.forward_features(images), atol=1e-4)


def test_patches_are_in_the_order_of_the_tokens() -> None:
    encoder, images = init_vit(0), torch.zeros(1, 3, 128, 128)
    with torch.no_grad():
        for position in (0, 9, 63):
            changed = blank(images, torch.tensor([[position]]))
            assert (patches(changed) - patches(images)).abs().sum(-1).nonzero()[:, 1].tolist() == [position]
            tokens = encoder.patch_embed(changed) - encoder.patch_embed(images)
            assert tokens.abs().sum(-1).nonzero()[:, 1].tolist() == [position]


def test_decoder_puts_tokens_where_they_belong() -> None:
    decoder, latents = Decoder(), torch.randn(2, 16, 192, generator=generator())
    visible, _ = random_masks(2, 0.75, generator())
    with torch.no_grad():
        straight = decoder(latents, visible)
        assert torch.allclose(straight, decoder(latents.flip(1), visible.flip(1)), atol=1e-5)
        assert not torch.allclose(straight, decoder(latents.flip(1), visible), atol=1e-3)


def test_error_counts_its_positions_alone() -> None:
    prediction, target = torch.zeros(1, 64, 768), torch.zeros(1, 64, 768)
    prediction[0, 5] = 2.0
    assert error_at(prediction, target, torch.tensor([[5, 6]])) == 2.0
    assert error_at(prediction, target, torch.tensor([[7, 8]])) == 0.0


def test_visible_tokens_are_those_of_the_whole_picture() -> None:
    stem, images = init_vit(0).patch_embed, torch.randn(3, 3, SIZE, SIZE, generator=generator())
    visible = torch.stack([torch.randperm(64, generator=torch.Generator().manual_seed(n))[:16] for n in range(3)])
    with torch.no_grad():
        whole, some = stem(images), visible_tokens(stem, images, visible)
    assert some.shape == (3, 16, WIDTH)
    assert torch.allclose(some, whole.gather(1, visible[..., None].expand(-1, -1, WIDTH)), atol=1e-4)


def test_cells_are_cut_in_the_order_of_patches_rows_and_columns() -> None:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    cells = cut_cells(torch.stack([y, x, y * SIZE + x])[None])
    assert cells.shape == (1, 64, 4, 4, 48)
    patch, outer, inner = 19, 2, 1  # row 2 and column 3 of patches; lower left quarter; upper right quarter of it
    top, left = 2 * 16 + 8, 3 * 16 + 4
    expected = torch.stack([y, x, y * SIZE + x], -1)[top : top + 4, left : left + 4].reshape(48)
    assert torch.equal(cells[0, patch, outer, inner], expected)
