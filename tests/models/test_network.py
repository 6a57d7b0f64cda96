"""What `NetworkEmbedder` does for every provider: callables, batches, memory, unsafe files."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from lab.devtools.networks import run_in_pytorch
from probing_core.errors import BadArray, BadConfig, ModelUnavailable
from probing_core.models import from_callable, from_module, load_embedder, register
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.providers.callables import UNSTEADY, CallableEmbedder
from tests.models.made import call, in_pytorch, pictures

SMALL = Preprocessing((32, 32), "squash", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


def batch() -> torch.Tensor:
    import PIL.Image

    pixels = [np.asarray(PIL.Image.fromarray(p).resize((32, 32), PIL.Image.Resampling.BICUBIC)) for p in pictures()]
    return (torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def test_a_module_in_memory_equals_its_own_call():
    net = small_net()
    register(from_module("mine/net", net, SMALL, blocks=[net[0]]))
    embedder = in_pytorch(load_embedder("mine/net", precision="float32"))
    np.testing.assert_array_equal(embedder.embed(pictures()), call(net, batch()))
    layer = in_pytorch(load_embedder("mine/net@layer=1", precision="float32")).embed(pictures())
    np.testing.assert_allclose(layer, call(lambda x: net[0](x).mean((2, 3)), batch()), atol=1e-6)
    assert embedder.embed([]).shape == (0, 5)


class Odd(nn.Module):
    """A network whose blocks give what a test asks for; it embeds all the same."""

    def __init__(self, give) -> None:
        super().__init__()
        self.block, self.never, self.give = nn.Identity(), nn.Identity(), give
        self.block.register_forward_hook(lambda module, given, output: give(output))

    def forward(self, x):
        self.block(x)
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("give", "never", "there"),
    [
        (lambda x: [x, x], False, ()),  # scales of one block
        (lambda x: x.flatten(2).transpose(1, 2).flatten(0, 1)[:, None], False, ()),  # pixels as if they were pictures
        (lambda x: x.mean((2, 3)), False, ()),  # pooled already
        (lambda x: x, False, ("1.mean",)),
        (lambda x: x, True, ()),  # one of two blocks is never called
    ],
)
def test_blocks_that_cannot_be_pooled_are_left_out_and_harm_nobody(give, never, there):
    net = Odd(give)
    network = Network(module=net, embed=net, pooling="mean", blocks=[net.block, *[net.never] * never])
    embedder = NetworkEmbedder("x", network, SMALL, {}, "cpu", "float32")
    assert tuple(embedder.embed_blocks(pictures())) == embedder.blocks == there
    assert embedder.embed(pictures()).shape == (3, 3)


def test_blocks_without_the_class_token_that_the_network_ends_with_give_their_patches_and_others_are_left_out():
    def tokens(x):
        return x.flatten(2).transpose(1, 2)

    net = Odd(tokens)
    for prefix, there in ((0, ("1.cls", "1.mean")), (1, ("1.mean",)), (2, ())):
        network = Network(
            module=net,
            embed=net,
            pooling="mean",
            blocks=[net.block],
            prefix=1,
            class_token=True,
            features=lambda x, prefix=prefix: torch.cat([tokens(x)[:, :prefix], tokens(x)], 1),
        )
        embedder = NetworkEmbedder("x", network, SMALL, {}, "cpu", "float32")
        assert embedder.blocks == there
        if prefix == 1:
            batch = embedder.prepare(pictures())
            patches = net.block(batch).mean(1).numpy()
            np.testing.assert_allclose(embedder.embed_blocks(pictures())["1.mean"], patches, rtol=1e-5)


def test_a_function_is_an_embedder_with_a_key_of_its_own():
    def mean(images):
        return np.array([image.mean((0, 1)) for image in images])

    register(from_callable("mine/mean", mean, 3))
    embedder = load_embedder("mine/mean")
    np.testing.assert_allclose(embedder.embed(pictures()), mean(pictures()), rtol=1e-6)
    before = embedder.recipe()
    register(from_callable("mine/mean", lambda images: 2 * mean(images), 3))
    assert load_embedder("mine/mean").recipe() != before
    register(from_callable("mine/mean", mean, 4))
    with pytest.raises(BadArray, match="embeddings of dimension 3 instead of 4"):
        load_embedder("mine/mean").embed(pictures())
    with pytest.raises(BadConfig, match="a different name"):
        register(from_callable("baseline/pixels", mean, 3))


def test_out_of_memory_halves_the_batch_and_goes_on(monkeypatch):
    net, sizes, full = small_net(), [], []

    def hungry(x):
        sizes.append(len(x))
        if len(x) > 2 or full:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return net(x)

    embedder = NetworkEmbedder("x", Network(module=net, embed=hungry, pooling="own"), SMALL, {}, precision="float32",
                               batch_size=8)  # fmt: skip
    run_in_pytorch(embedder)
    embedder.batch_size = 8
    sizes.clear()
    images, asked = pictures() * 3, embedder.recipe()
    result = embedder.embed(images)
    # Too large are batches of eight, or of five and four side by side, and of four; which of them begin is open.
    assert sorted(sizes[-5:]) == [1, 2, 2, 2, 2]
    assert {4} < set(sizes[:-5]) <= {1, 4, 5, 8}
    assert embedder.batch_size == 2
    assert embedder.recipe() == asked, "else the embeddings of a run would have two keys"
    np.testing.assert_allclose(result, np.tile(call(net, batch()), (3, 1)), atol=1e-6)
    monkeypatch.setattr(net, "forward", _fail)
    with pytest.raises(RuntimeError, match="other"):
        embedder.embed(images)
    full.append(True)
    with pytest.raises(ModelUnavailable, match="'x' runs out of memory on .* with a single image"):
        embedder.embed(images)


def test_two_threads_that_run_out_of_memory_both_halve_their_batch():
    net, both_full = small_net(), threading.Barrier(2)

    def hungry(x):
        if len(x) > 1 and not both_full.broken:
            both_full.wait(20)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return net(x)

    network = Network(module=net, embed=hungry, pooling="own")
    both_full.abort()  # nothing is large while the model is loaded
    embedder = NetworkEmbedder("x", network, SMALL, {}, "cpu", "float32", batch_size=2, threads=2)
    run_in_pytorch(embedder)
    embedder.batch_size = 2
    both_full.reset()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: embedder.embed(pictures()[:2]), range(2)))
    for result in results:
        np.testing.assert_allclose(result, call(net, batch())[:2], atol=1e-6)
    assert embedder.batch_size == 1


def test_a_network_may_write_into_its_input():
    net = small_net()
    network = Network(module=net, embed=lambda given: net(given.mul_(0)), pooling="own")
    embedder = NetworkEmbedder("x", network, SMALL, {}, "cpu", "float32")
    run_in_pytorch(embedder)
    ready = embedder.prepare(pictures())
    before = ready.clone()
    embedder.forward(ready)
    assert torch.equal(ready, before)


def _fail(x):
    raise RuntimeError("other trouble")


def mean_color(images):
    return np.array([image.mean((0, 1)) for image in images])


def wide_alone(images):
    return np.array([image.mean((0, 1)) * (1 + (image.shape[0] != image.shape[1])) for image in images])


def large_alone(images):
    return np.array([image.mean((0, 1)) * (1 + (image.shape[0] > 200)) for image in images])


def smooth_alone(images):
    """Differs on what is neither noise nor gray, as photographs are."""
    gray = [image.std(2).max() < 1 or image.std() > 70 for image in images]
    return np.array([image.mean((0, 1)) * (2 - plain) for image, plain in zip(images, gray, strict=True)])


def of_one_size(images):
    if any(image.shape != (128, 128, 3) for image in images):
        raise ValueError("pictures of 128 px alone")
    return mean_color(images)


def test_functions_that_differ_on_some_sizes_or_on_photographs_alone_have_other_keys():
    functions = (mean_color, wide_alone, large_alone, smooth_alone, of_one_size)
    recipes = [CallableEmbedder("mine/f", function, 3).recipe() for function in functions]
    assert recipes[0] == CallableEmbedder("mine/f", mean_color, 3).recipe()
    assert len({recipe["answers"] for recipe in recipes}) == len(functions)
    rng = np.random.default_rng(0)
    unsteady = CallableEmbedder("mine/f", lambda images: rng.normal(size=(len(images), 3)), 3)
    assert unsteady.recipe()["answers"] == UNSTEADY


def test_devices_and_precisions_are_checked():
    register(from_module("mine/net", small_net(), SMALL))
    with pytest.raises(BadConfig, match="is not available"):
        load_embedder("mine/net", device="cuda:99")
    with pytest.raises(BadConfig, match="bfloat16"):
        load_embedder("mine/net", precision="int8")
    halves = load_embedder("mine/net", precision="bfloat16")
    assert halves.recipe()["precision"] == "bfloat16"
    assert halves.embed(pictures()).dtype == np.float32


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps(Evil())])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bad_weights_are_refused_and_never_executed(tmp_path, capsys, content, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailable, match="could not be read"):
        load_embedder(f"timm:test_vit@weights={path}")
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelUnavailable, match="without executing code"):
        load_embedder(f"timm:test_vit@weights={tmp_path}/evil.pth")
    assert "executed" not in capsys.readouterr().out
