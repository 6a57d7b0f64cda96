"""Each objective against its definition; the mistakes that public code makes are each caught by a test here."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from lab.pretraining import objectives
from lab.pretraining.loop import make_optimizer
from lab.pretraining.objectives import (
    build,
    captions,
    encode_visible,
    image_text_loss,
    normalize,
    nt_xent,
    patches,
    random_masks,
)
from lab.pretraining.recipe import load_recipe, recipe_names
from lab.pretraining.text_tower import PADDING

pytestmark = pytest.mark.slow

INDICES = torch.arange(16)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=recipe_names())
def recipe(request):
    return load_recipe(request.param)


def test_every_trainable_part_is_trained(recipe, sixteen, pictures) -> None:
    objective = build(recipe, sixteen.rows, 0)
    optimizer = make_optimizer(objective, recipe)
    trained = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(trained) == sorted(id(p) for p in objective.parameters())
    before = {name: p.detach().clone() for name, p in objective.named_parameters()}
    for seed in range(2):  # a rectifier may be silent in one step
        optimizer.zero_grad()
        objective(pictures, INDICES, generator(seed))["loss"].backward()
        optimizer.step()
    unmoved = [name for name, p in objective.named_parameters() if torch.equal(p, before[name])]
    assert unmoved == []


def test_biases_and_positions_do_not_decay(recipe, sixteen) -> None:
    objective = build(recipe, sixteen.rows, 0)
    names = {id(p): name for name, p in objective.named_parameters()}
    decayed, kept = ([names[id(p)] for p in g["params"]] for g in make_optimizer(objective, recipe).param_groups)
    assert "encoder.pos_embed" in kept
    assert "encoder.norm.weight" in kept
    assert "encoder.blocks.0.attn.qkv.weight" in decayed
    assert not [name for name in decayed if name.endswith("bias")]


def test_every_encoder_starts_alike(recipe, sixteen) -> None:
    start = build(load_recipe("supervised"), sixteen.rows, 0).encoder.state_dict()
    mine = build(recipe, sixteen.rows, 0).encoder.state_dict()
    assert all(torch.equal(start[name], mine[name]) for name in start)
    other = build(recipe, sixteen.rows, 1).encoder.state_dict()
    assert not torch.equal(mine["blocks.0.mlp.fc1.weight"], other["blocks.0.mlp.fc1.weight"])


def test_building_leaves_the_global_random_state(recipe, sixteen) -> None:
    state = torch.get_rng_state()
    build(recipe, sixteen.rows, 3)
    assert torch.equal(state, torch.get_rng_state())


def test_a_step_follows_from_its_generator(recipe, sixteen, pictures) -> None:
    objective = build(recipe, sixteen.rows, 0)
    with torch.no_grad():
        first, again, other = (objective(pictures, INDICES, generator(s))["loss"] for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_supervised_learns_labels(sixteen, pictures) -> None:
    objective = build(load_recipe("supervised"), sixteen.rows, 0)
    names = sorted(set(sixteen.rows["label"]))
    assert [names[i] for i in objective.labels] == list(sixteen.rows["label"])
    with torch.no_grad():
        logits = objective.head(objective.encoder(normalize(objective.views(pictures, generator()))))
        loss = objective(pictures, INDICES, generator())["loss"].item()
    log_p = logits.log_softmax(1)
    right = log_p[INDICES, objective.labels].mean()
    assert abs(loss - float(-0.9 * right - 0.1 * log_p.mean())) < 1e-4


def test_mae_is_its_definition(sixteen, pictures) -> None:
    objective = build(load_recipe("mae"), sixteen.rows, 0)
    draws = generator()
    with torch.no_grad():
        loss = objective(pictures, INDICES, generator())["loss"]
        images = normalize(objective.views(pictures, draws))
        visible, masked = random_masks(16, 0.75, draws)
        predicted = objective.decoder(encode_visible(objective.encoder, images, visible), visible)
    target = patches(images)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    assert torch.allclose(loss, (predicted - target).square().mean(-1).gather(1, masked).mean(), atol=1e-4)


def test_can_is_its_definition(sixteen, pictures) -> None:
    """Both views have masks and noise levels of their own; clean pixels are the target where patches are masked, one
    band of the noise where they are visible."""
    objective = build(load_recipe("can"), sixteen.rows, 0)
    draws = generator()
    with torch.no_grad():
        terms = objective(pictures, INDICES, generator())
        clean = torch.cat([objective.views(pictures, draws), objective.views(pictures, draws)])
        level = torch.rand(32, generator=draws)
        noise = torch.randn(clean.shape, generator=draws)
        visible, masked = random_masks(32, 0.5, draws)
        noisy = clean + objective.sigma * level.view(-1, 1, 1, 1) * noise
        latents = encode_visible(objective.encoder, normalize(noisy), visible)
        code = objective.level(objectives.sinusoid(level))
        wrong = objective.decoder(latents, visible, code) - patches(normalize(clean))
        band = objectives.highest_band(noise).gather(1, visible[..., None].expand(-1, -1, 48))
        expected = {
            "contrast": nt_xent(*objective.projector(latents.mean(1)).chunk(2), 0.1),
            "reconstruction": wrong.square().mean(-1).gather(1, masked).mean(),
            "noise": (objective.noise(latents, code) - band).square().mean(),
        }
    assert not torch.equal(*visible.sort().values.chunk(2))
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, atol=1e-3), name
    total = 0.03 * terms["contrast"] + 0.67 * terms["reconstruction"] + 0.30 * terms["noise"]
    assert torch.allclose(terms["loss"], total)


def test_can_predicts_one_band_of_the_noise() -> None:
    noise = torch.randn(2, 3, 128, 128, generator=generator())
    band = objectives.highest_band(noise)
    assert band.shape == (2, 64, 48)
    assert abs(float(band.std()) - 1) < 0.03
    spectrum = dctn(noise.reshape(2, 3, 32, 4, 32, 4).numpy(), axes=(3, 5), norm="ortho")[:, :, :, 3, :, 3]
    patch = spectrum[1, :, 4:8, 20:24].transpose(1, 2, 0)  # the second row and the sixth column of patches
    assert np.allclose(band[1, 13], patch.reshape(-1), atol=1e-5)
    assert objectives.highest_band(torch.ones(1, 3, 128, 128)).abs().max() < 1e-5


def test_can_noise_term_trains_the_encoder(sixteen, pictures) -> None:
    objective = build(load_recipe("can"), sixteen.rows, 0)
    objective(pictures, INDICES, generator())["noise"].backward()
    assert objective.encoder.patch_embed.maps[0].weight.grad.abs().max() > 0
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in objective.decoder.parameters())


@pytest.mark.parametrize("name", ["clip", "align"])
def test_temperature_is_clamped(name: str, sixteen) -> None:
    objective = build(load_recipe(name), sixteen.rows, 0)
    start = {"clip": 0.07, "align": 0.1}[name]
    assert abs(objective.log_scale.item() - math.log(1 / start)) < 1e-6
    for value, expected in ((9.0, math.log(100)), (-3.0, 0.0), (2.0, 2.0)):
        with torch.no_grad():
            objective.log_scale.fill_(value)
        objective.after_step()
        assert abs(objective.log_scale.item() - expected) < 1e-6


def test_captions_name_style_or_do_not(sixteen) -> None:
    rows = sixteen.rows.assign(label="grand_piano")
    named, plain = captions(rows, name_style=True), captions(rows, name_style=False)
    assert named[:4] == [
        "a photo of a grand piano",
        "a painting of a grand piano",
        "a cartoon of a grand piano",
        "a pencil sketch of a grand piano",
    ]
    assert set(plain) == {"a picture of a grand piano"}
    assert captions(rows.assign(label="elephant"), name_style=False)[0] == "a picture of an elephant"
    assert captions(rows.drop(columns="style"), name_style=True)[0] == "a photo of a grand piano"
    words = set(build(load_recipe("clip-plain"), sixteen.rows, 0).vocabulary.words)
    assert not words & {"photo", "painting", "cartoon", "pencil", "sketch"}


def test_align_has_a_quarter_of_noisy_captions(sixteen) -> None:
    indices = torch.arange(16).repeat(250)
    clip, align = (build(load_recipe(name), sixteen.rows, 0) for name in ("clip", "align"))
    assert torch.equal(clip.texts(indices, generator()), clip.tokens[indices])
    texts = align.texts(indices, generator())
    right = (texts == align.tokens[indices]).all(1)
    captions_there = {tuple(row) for row in align.tokens.tolist()}
    swapped = torch.tensor([tuple(row) in captions_there for row in texts.tolist()]) & ~right
    assert 0.20 < (~right).float().mean() < 0.26  # a few swaps and corruptions change nothing
    assert 0.08 < swapped.float().mean() < 0.14
    same_length = (texts != PADDING).sum(1) == (align.tokens[indices] != PADDING).sum(1)
    assert same_length[~swapped].all()


@pytest.mark.parametrize("name", ["clip", "clip-plain"])
def test_clip_takes_equal_captions_as_several_positives(name: str, sixteen, pictures, monkeypatch) -> None:
    rows = sixteen.rows.assign(style="photo")
    objective = build(load_recipe(name), rows, 0)
    texts = captions(rows, name_style=name == "clip")
    same = torch.tensor([[a == b for a in texts] for b in texts])
    assert same.sum() > 16  # otherwise the pictures would not show the difference
    given = []
    monkeypatch.setattr(
        objectives, "image_text_loss", lambda *arguments: given.extend(arguments) or image_text_loss(*arguments)
    )
    with torch.no_grad():
        loss = objective(pictures, INDICES, generator())["loss"]
        images = objective.encoder(normalize(objective.views(pictures, generator())))
        words = objective.text(objective.vocabulary.encode(texts))
        expected = image_text_loss(images, words, same, torch.tensor(1 / 0.07), 0.0)
    assert torch.allclose(loss, expected, atol=1e-4)
    assert torch.equal(given[2], same)
