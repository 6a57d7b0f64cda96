"""Compares encoders for the zoo by short trainings; docs/zoo-encoder.md holds the figures that decided.

    python -m lab.evidence.zoo_encoder --corpus parquet:FILE --out DIR [--candidates a,b] [--objectives supervised,mae]
        [--flops 8e12] [--seed N]

Every candidate (`lab.evidence.zoo_stems`) is trained with the zoo's own recipes for equal floating-point operations on
the split `pretrain`, and scored untrained and trained: the fine task as in the zoo's gate, content as there, `train` to
`val`; the split `test` is never read. Prints one row a training and writes ``results.jsonl`` in DIR.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from lab.devtools.commands import parser_of
from lab.evidence.zoo_stems import CANDIDATES, estimate_statistics
from lab.pretraining.gate import measure, measure_fine
from lab.pretraining.loop import (
    choose_attention,
    count_flops,
    make_optimizer,
    read_batch,
    schedule,
    step_generator,
    take_step,
)
from lab.pretraining.objectives import build, normalize
from lab.pretraining.pictures import Pictures, gather
from lab.pretraining.recipe import PretrainingRecipe, load_recipe
from probing_core.corpora import open_corpus
from probing_core.corpora.base import Corpus
from probing_core.models.zoo_network import ViTEmbedder
from probing_core.run.progress import SILENT

BATCH = 64
"""Smaller than the zoo's: a short training needs steps more than it needs pictures a step."""

WARM_UP = 0.1
STATISTICS = 512
"""Whole pictures from which batch normalization's statistics are estimated after a training."""

UNTRAINED = "untrained"
HEAD = (
    "| encoder | objective | seed | GFLOP | pictures seen | seconds | fine, % | content, points over untrained | /s |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--corpus", required=True, help="with the splits pretrain, train and val")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--candidates", default=",".join(CANDIDATES))
    parser.add_argument("--objectives", default="supervised,mae")
    parser.add_argument("--flops", type=float, default=8e12, help="of each training, forward and backward")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    corpus = open_corpus(asked.corpus)
    pictures = gather(corpus, asked.out, SILENT)
    print(HEAD)
    for name in asked.candidates.split(","):
        for objective in (UNTRAINED, *asked.objectives.split(",")):
            row = trial(name, objective, pictures, corpus, asked.flops, asked.seed)
            with (asked.out / "results.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(table_row(row), flush=True)


def trial(name: str, objective: str, pictures: Pictures, corpus: Corpus, flops: float, seed: int) -> dict[str, Any]:
    """Return the scores of one training, or of none for `UNTRAINED`."""
    vit, facts = CANDIDATES[name].init(seed), {"seen": 0, "seconds": 0}
    if objective != UNTRAINED:
        vit, facts = train(name, load_recipe(objective), pictures, flops, seed)
    estimate_statistics(vit, list(whole_pictures(pictures)))
    start = CANDIDATES[name].init(seed)
    estimate_statistics(start, list(whole_pictures(pictures)))
    embedder, untrained = (ViTEmbedder(name, network, {}, "auto", "auto") for network in (vit, start))
    fine = measure_fine({name: embedder}, [untrained], corpus)[name]
    content = measure(embedder, untrained, corpus, 0, fine)
    return {
        "encoder": name,
        "objective": objective,
        "seed": seed,
        **facts,
        "fine": fine.trained.value,
        "fine_low": fine.trained.low,
        "fine_high": fine.trained.high,
        "content": content.linear,
        "content_untrained": content.linear_untrained,
        "gflop": forward_gflop(vit),
        "per_cpu_second": speed(vit),
    }


def train(
    name: str, recipe: PretrainingRecipe, pictures: Pictures, flops: float, seed: int
) -> tuple[VisionTransformer, dict[str, int]]:
    """Return the encoder after as many steps as ``flops`` allow."""
    objective = build(recipe, pictures.rows, seed)
    objective.encoder = CANDIDATES[name].init(seed)
    cpu = torch.device("cpu")
    choose_attention(objective, cpu)
    steps = max(1, round(flops / count_flops(objective, read_batch(pictures, 0, BATCH, seed, cpu))))
    optimizer = make_optimizer(objective, recipe)
    objective.train()
    began = time.perf_counter()
    for step in range(steps):
        rate = recipe.learning_rate * schedule(step, steps, WARM_UP)
        data, generator = read_batch(pictures, step, BATCH, seed, cpu), step_generator(seed, step, cpu)
        take_step(objective, optimizer, data, generator, rate, recipe.clip, "bfloat16")
    seconds = round(time.perf_counter() - began)
    return objective.encoder, {"seen": steps * BATCH, "seconds": seconds}


def whole_pictures(pictures: Pictures) -> Iterator[Tensor]:
    """Yield batches of the centers of whole pictures, as an encoder receives them."""
    order = np.random.default_rng(0).permutation(len(pictures.rows))[:STATISTICS]
    for first in range(0, len(order), BATCH):
        pixels = pictures.pixels[np.sort(order[first : first + BATCH])][:, :, 8:136, 8:136]
        yield normalize(torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255)


def forward_gflop(vit: VisionTransformer) -> float:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        vit.forward_features(torch.zeros(1, 3, 128, 128))
    return counter.get_total_flops() / 1e9


def speed(vit: VisionTransformer) -> float:
    """Return the pictures embedded per second of processor time, which other work of the machine changes less than
    the clock."""
    batch = torch.zeros(64, 3, 128, 128).contiguous(memory_format=torch.channels_last)
    vit.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    taken = []
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(5):
            began = time.process_time()
            vit.forward_features(batch)
            taken.append(time.process_time() - began)
    return len(batch) / min(taken)


def table_row(row: dict[str, Any]) -> str:
    fine = f"{100 * row['fine']:.1f} ({100 * row['fine_low']:.1f} to {100 * row['fine_high']:.1f})"
    content = f"{row['content']:.1f} ({row['content'] - row['content_untrained']:+.1f})"
    return (
        f"| {row['encoder']} | {row['objective']} | {row['seed']} | {row['gflop']:.2f} | {row['seen']:,} | "
        f"{row['seconds']} | {fine} | {content} | {row['per_cpu_second']:.0f} |"
    )


if __name__ == "__main__":
    main()
