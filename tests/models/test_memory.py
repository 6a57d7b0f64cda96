"""What networks reuse from batch to batch, and its return to the system; in processes that load nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from tests.models.made import put_clip

TIMM = ("mixer_s32_224", "test_vit", "test_resnet")
TORCHVISION = ("squeezenet1_1",)
WIDTHS = (640, 768, 704, 832)
"""Widths of the transformers and open_clip models, which have few layers with many parameters: loading takes time per
layer."""

BATCHES = """
import json, resource, sys
import psutil, torch
torch.set_num_threads(2)
from probing_core.models.processor import BatchThreads

MAP, COUNT = 19 * 2**20, 40
batches = BatchThreads(torch.device("cpu"), 2)
layers = lambda _: [torch.ones(MAP // 4) for _ in range(3)] and None
list(batches.run(layers, range(COUNT)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
list(batches.run(layers, range(COUNT)))
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
kept = psutil.Process().memory_info().rss
batches.release()
print(json.dumps([faults / (COUNT * 3 * MAP / resource.getpagesize()), kept - psutil.Process().memory_info().rss, MAP]))
"""

SCRIPT = """
import gc, json, sys
import numpy as np, psutil, torch
torch.set_num_threads(1)  # one thread: what two at once leave to the allocator differs from time to time
from probing_core.models import load_embedder

warm, names = json.loads(sys.argv[1])
images = list(np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8))
sizes = []

def once(name):
    embedder = load_embedder(name, device="cpu", precision="float32")
    embedder.embed(images)
    sizes.append(sum(p.numel() for p in embedder._network.module.parameters()) * 4)
    embedder.close()

for name in warm:
    once(name)
sizes.clear()
gc.collect()
gc.freeze()  # what is there by now is of libraries: `close` need not look through it twenty times
memory = [psutil.Process().memory_info().rss]
for part in ([name for name in names if name not in warm], names):
    for name in part:
        once(name)
    memory.append(psutil.Process().memory_info().rss)
print(json.dumps([memory, sum(sizes[-len(names):])]))
"""


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Ten different models of five providers, made and saved here."""
    import timm
    import torchvision.models

    folder = tmp_path_factory.mktemp("models")
    made = [f"baseline/random-vit@seed={seed}" for seed in (1, 2)]
    for name in TIMM:
        save_file(timm.create_model(name).state_dict(), folder / f"{name}.safetensors")
        made.append(f"timm:{name}@weights={folder}/{name}.safetensors")
    for name in TORCHVISION:
        torch.save(torchvision.models.get_model(name, weights=None).state_dict(), folder / f"{name}.pth")
        made.append(f"torchvision:{name}@weights={folder}/{name}.pth")
    made += [f"hf:{_transformers(folder / f'hf-{width}', width)}" for width in WIDTHS[:2]]
    for width in WIDTHS[2:]:
        (clip := folder / f"clip-{width}").mkdir()
        put_clip(clip, width, layers=2)
        made.append(f"open_clip:{clip}")
    return made


def _transformers(folder, width):
    import transformers as t

    size = {"height": 64, "width": 64}
    config = t.ViTConfig(
        hidden_size=width, num_hidden_layers=2, num_attention_heads=2, intermediate_size=4 * width, image_size=64
    )
    t.ViTModel(config).save_pretrained(folder)
    t.ViTImageProcessor(size=size).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_ten_different_models_one_after_another_leave_memory_where_it_was(names):
    assert len(set(names)) == 10
    providers = {name.split(":")[0].split("@")[0]: name for name in names}
    assert len(providers) >= 5
    # What a library keeps for itself at first use is no model: one of each is loaded before, and left out at first.
    task = json.dumps([[*providers.values()], names])
    done = subprocess.run([sys.executable, "-c", SCRIPT, task], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (before, after, again), size = json.loads(done.stdout.splitlines()[-1])
    assert size > 0.2 * before  # models that were kept would be seen
    # The first time, oneDNN and OpenVINO keep the code that they made for the shapes of new networks: about 40 MiB.
    # Then -1 to 8 MiB in three tries; a tenth of the size is 34.
    assert after - before < 0.4 * size, f"{before / 2**20:.0f} MiB before, {after / 2**20:.0f} MiB after"
    assert again - after < 0.1 * size, f"{after / 2**20:.0f} MiB before, {again / 2**20:.0f} MiB after the same again"


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_batches_take_the_memory_of_those_before_and_return_it_at_the_end():
    done = subprocess.run([sys.executable, "-c", BATCHES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    share_new, returned, map_bytes = json.loads(done.stdout.splitlines()[-1])
    assert share_new < 0.01  # of the pages that were written to; without what was kept, all of them
    assert returned > 2 * map_bytes
