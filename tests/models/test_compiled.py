"""Networks that OpenVINO compiles: the same embeddings, what is cached, and what runs in PyTorch all the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from lab.devtools.networks import run_in_pytorch
from probing_core.models import compiled, processor
from probing_core.models.compiled import COMPILED_BATCH, NotCompiled
from probing_core.models.network import NetworkEmbedder, _report_missing
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.processor import AHEAD
from tests.models.made import assert_alike, pictures

SMALL = Preprocessing((32, 32), "squash", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

pytestmark = pytest.mark.skipif(not compiled.installed_version(), reason="there is no OpenVINO for this platform")


@pytest.fixture(autouse=True)
def _empty_cache(no_network, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def small_net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )


def load(net: nn.Module, embed=None, precision="float32", preprocessing=SMALL, **more) -> NetworkEmbedder:
    network = Network(module=net, embed=embed or net, pooling="own", blocks=list(net.children())[:1], **more)
    return NetworkEmbedder("mine/net", network, preprocessing, {}, "cpu", precision)


def stored() -> list:
    folder = compiled._cache_folder()
    return sorted(path for path in folder.iterdir() if path.is_file())


def test_any_number_of_pictures_is_embedded_as_in_pytorch():
    images = pictures() * 4
    embedder = load(small_net())
    assert embedder.engine == embedder.recipe()["engine"] == f"OpenVINO {compiled.installed_version()}"
    each = {count: (embedder.embed(images[:count]), embedder.embed_blocks(images[:count])) for count in range(12)}
    run_in_pytorch(embedder)
    assert embedder.recipe()["engine"] == "PyTorch"
    for count in range(1, 12):
        own, blocks = each[count]
        assert_alike(own, embedder.embed(images[:count]))
        assert_alike(blocks["1.mean"], embedder.embed_blocks(images[:count])["1.mean"])
    assert (each[0][0].shape, each[0][1]["1.mean"].shape) == ((0, 5), (0, 8))


@pytest.mark.parametrize("engine", ["OpenVINO", "PyTorch"])
def test_a_network_embeds_the_same_once_it_has_released_what_else_it_can_do(engine):
    images, embedder = pictures(), load(small_net())
    if engine == "PyTorch":
        run_in_pytorch(embedder)
    before = embedder.embed(images)
    embedder.keep_embedding()
    assert {one.is_meta for one in embedder._network.module.parameters()} == {engine == "OpenVINO"}
    assert np.array_equal(embedder.embed(images), before)


def test_a_batch_of_another_size_or_height_is_embedded_too():
    embedder = load(small_net())
    wide = torch.rand(COMPILED_BATCH + 3, 3, 32, 48).contiguous(memory_format=torch.channels_last)
    usual = wide[..., :32].contiguous(memory_format=torch.channels_last)
    mine = [embedder.forward(batch)[0] for batch in (wide, usual)]
    run_in_pytorch(embedder)
    for one, batch in zip(mine, (wide, usual), strict=True):
        assert_alike(one, embedder.forward(batch)[0])


def test_a_pass_takes_as_many_pictures_as_asked():
    net, images = small_net(), pictures() * 4
    network = Network(module=net, embed=net, pooling="own")
    embedder = NetworkEmbedder("mine/net", network, SMALL, {}, "cpu", "float32", batch_size=3)
    assert (embedder.recipe()["batch_size"], embedder._own._shape[0]) == (3, 3)
    mine, at_once = embedder.embed(images), embedder.forward(embedder.prepare(images))[0]
    run_in_pytorch(embedder)
    assert_alike(mine, embedder.embed(images))
    assert_alike(at_once, mine)


def test_a_network_for_one_caller_is_held_once_and_gives_the_same_bytes():
    def held_and_embedded() -> tuple[int, int, np.ndarray]:
        net = small_net()
        network = Network(module=net, embed=net, pooling="own")
        embedder = NetworkEmbedder("mine/net", network, SMALL, {}, "cpu", "float32", threads=2)
        free = embedder._own._free
        requests, request = free.qsize(), free.get()
        free.put(request)
        streams = request.get_compiled_model().get_property("NUM_STREAMS")
        return requests, streams, embedder.embed(pictures() * 4)

    usual = held_and_embedded()
    with compiled.for_one_caller():
        alone = held_and_embedded()
    assert (usual[0], alone[:2]) == (2 * AHEAD, (AHEAD, 1))
    assert np.array_equal(usual[2], alone[2])
    assert held_and_embedded()[0] == usual[0]


def test_threads_share_one_compiled_network():
    embedder, images = load(small_net()), pictures() * 8
    alone = embedder.embed(images)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda _: embedder.embed(images), range(12)))
    assert all(np.array_equal(alone, other) for other in together)


def test_what_openvino_keeps_gives_the_same_bytes_and_is_made_anew_where_it_is_damaged():
    first = load(small_net()).embed(pictures())
    assert stored()
    for damage in (lambda content: content, lambda content: content[:100], lambda content: b""):
        for entry in stored():
            entry.write_bytes(damage(entry.read_bytes()))
        embedder = load(small_net())
        assert embedder.engine.startswith("OpenVINO")
        np.testing.assert_array_equal(embedder.embed(pictures()), first)


def test_code_that_changed_under_the_same_weights_is_compiled_anew():
    net = small_net()
    plain, doubled = load(net).embed(pictures()), load(net, lambda x: 2 * net(x)).embed(pictures())
    np.testing.assert_allclose(doubled, 2 * plain, rtol=1e-5)


def test_a_folder_that_cannot_be_written_to_costs_the_cache_alone(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiled._cache_folder() is None
    assert load(small_net()).engine.startswith("OpenVINO")


def test_what_was_not_read_for_long_is_removed_when_another_is_compiled():
    load(small_net())
    (read_lately,) = stored()
    long_ago = time.time() - (compiled.KEPT_DAYS + 1) * 24 * 3600
    unread = read_lately.with_name("1.blob")
    unread.write_bytes(b"old")
    os.utime(unread, (long_ago, long_ago))
    os.utime(read_lately, (time.time(), long_ago))
    load(small_net(seed=1))
    assert not unread.exists()
    assert len(stored()) == 2
    assert read_lately in stored()


class Unconvertible(nn.Module):
    """Leaves PyTorch in the middle, as no tracer can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small_net()

    def forward(self, x):
        if torch.jit.is_tracing():
            raise RuntimeError("this network cannot be traced")
        return self.net(x)


class Elsewhere(nn.Module):
    """Gives something else when it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small_net()

    def forward(self, x):
        return self.net(x) + (0.001 if torch.jit.is_tracing() else 0)


@pytest.mark.parametrize(
    ("kind", "reason"), [(Unconvertible, "cannot convert the network"), (Elsewhere, "of their norm")]
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_cannot_be_compiled_runs_in_pytorch_and_says_so(kind, reason, precision, caplog):
    if precision == "bfloat16" and "BF16" not in compiled._capabilities(compiled.openvino_core()):
        reason = "does not support bfloat16"
    net = kind()
    embedder = load(net, precision=precision)
    assert [record.getMessage() for record in caplog.records] == [
        message for message in caplog.messages if "'mine/net' runs in PyTorch" in message and reason in message
    ]
    assert len(caplog.records) == 1
    assert embedder.recipe()["engine"] == "PyTorch"
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        expected = net(embedder.prepare(pictures())).float().numpy()
    np.testing.assert_allclose(embedder.embed(pictures()), expected, atol=1e-2 if precision == "bfloat16" else 1e-6)


def test_without_openvino_networks_run_in_pytorch(monkeypatch, caplog):
    _report_missing.cache_clear()
    monkeypatch.setattr(compiled, "installed_version", lambda: "")
    for _ in range(2):
        assert load(small_net()).engine == "PyTorch"
    assert len(caplog.messages) == 1
    assert "pip install openvino" in caplog.messages[0]


def test_an_openvino_that_does_not_run_here_is_as_good_as_none(monkeypatch, caplog):
    def broken():
        raise NotCompiled("OpenVINO could not be imported (no such instruction)")

    monkeypatch.setattr(compiled, "openvino_core", broken)
    assert load(small_net()).engine == "PyTorch"
    assert "no such instruction" in caplog.text


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_pictures_of_any_size_and_other_precisions_stay_in_pytorch_without_a_word(precision, caplog):
    preprocessing = SMALL if precision == "float16" else Preprocessing((32, 32), "none")
    assert load(small_net(), precision=precision, preprocessing=preprocessing).engine == "PyTorch"
    assert caplog.messages == []


class SlowIn(nn.Module):
    """Takes longer in PyTorch, in one precision or in both; can be wrong in bfloat16."""

    def __init__(self, *slow: str, wrong: bool = False) -> None:
        super().__init__()
        self.net, self.slow, self.wrong = small_net(), slow, wrong

    def forward(self, x):
        precision = "bfloat16" if torch.is_autocast_enabled("cpu") else "float32"
        if precision in self.slow and not torch.jit.is_tracing():
            time.sleep(0.05)
        y = self.net(x)
        return y * torch.nan if precision == "bfloat16" and self.wrong else y


@pytest.mark.parametrize(
    ("net", "float32_agrees", "expected"),
    [
        (SlowIn("float32", "bfloat16"), True, ("OpenVINO", "float32")),
        (SlowIn("float32"), False, ("PyTorch", "bfloat16")),
        (SlowIn("bfloat16"), False, ("PyTorch", "float32")),
        (SlowIn("float32", wrong=True), False, ("PyTorch", "float32")),
    ],
)
def test_network_runs_in_the_fastest_way_that_agrees_where_openvino_does_not(
    net, float32_agrees, expected, monkeypatch, caplog
):
    # As OpenVINO is for ViT-B/16 in bfloat16 on processors with AMX.
    compiles = compiled.compile_readout

    def faulty(network, read, batch, outputs, precision, *passes):
        if precision == "bfloat16" or not float32_agrees:
            compiled.compare([output * np.nan for output in outputs], outputs, precision)
        return compiles(network, read, batch, outputs, precision, *passes)

    monkeypatch.setattr(compiled, "compile_readout", faulty)
    monkeypatch.setattr(processor, "_cpu_multiplies_bfloat16", lambda: True)
    embedder = load(net, precision="auto")
    assert (embedder.engine.split()[0], embedder.recipe()["precision"]) == expected
    assert len(caplog.messages) == 1
    assert "not finite" in caplog.messages[0]
    with torch.inference_mode():
        exact = net(embedder.prepare(pictures())).numpy()
    np.testing.assert_allclose(embedder.embed(pictures()), exact, atol=1e-6 if expected[1] == "float32" else 1e-2)
    asked = load(net, precision="bfloat16")
    assert (asked.engine, asked.precision) == ("PyTorch", "bfloat16"), "a precision that was asked for is kept"


needs_bfloat16 = pytest.mark.skipif(
    not compiled.installed_version() or "BF16" not in compiled._capabilities(compiled.openvino_core()),
    reason="this processor does not multiply in bfloat16",
)


class Stem(nn.Module):
    """A stem whose numbers bfloat16 cannot tell apart: only one that was computed in float32 sees the pictures."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.norm, self.rest = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3)
        self.stem.weight.data.add_(0.5)
        # the stem's numbers are large and nearly alike, and the norm leaves their differences
        self.norm.running_mean.copy_(self.stem.weight.detach().sum((1, 2, 3)) * 10)

    def forward(self, x):
        return self.rest(self.norm(self.stem(x + 10))).mean((2, 3))


@needs_bfloat16
def test_exact_modules_stay_in_float32(caplog):
    expected = load(Stem()).embed(pictures())
    assert load(Stem(), precision="bfloat16").engine == "PyTorch"
    assert "have a cosine similarity of" in caplog.text
    embedder = load(Stem(), precision="bfloat16", exact=("stem", "norm"))
    assert embedder.engine.startswith("OpenVINO")
    found = embedder.embed(pictures())
    cosine = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.999


@needs_bfloat16
@pytest.mark.parametrize(
    ("name", "other", "reason"),
    [
        ("FLOAT32", "AnotherName", "computes 0 of"),
        ("_joined", lambda layer: set(), "computes 0 of 0"),
        ("_exact_names", lambda model: (set(), {op.get_friendly_name() for op in model.get_ops()}), "computes "),
    ],
)
def test_where_openvino_marks_nothing_the_network_runs_in_pytorch(name, other, reason, monkeypatch, caplog):
    monkeypatch.setattr(compiled, name, other)
    assert load(Stem(), precision="bfloat16", exact=("stem", "norm")).engine == "PyTorch"
    assert reason in caplog.text


def test_training_may_go_on_with_a_network_that_was_compiled():
    net = small_net()
    net[0].bias.requires_grad_(False)
    before = [parameter.requires_grad for parameter in net.parameters()]
    assert load(net).engine.startswith("OpenVINO")
    assert [parameter.requires_grad for parameter in net.parameters()] == before


def test_nothing_is_reported_to_anybody():
    """OpenVINO counts its imports by a package that sends them over the network."""
    code = (
        "import sys\n"
        "from probing_core.models.network import compiled\n"
        "compiled.openvino_core()\n"
        "print('openvino' in sys.modules, 'openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
