"""Training of an encoder, from a recipe's name to its file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from lab.pretraining.loop import ENCODER_FILE, export, train
from lab.pretraining.objectives import ALIGN, CAN, CLIP, MAE, Objective, SimCLR, Supervised
from lab.pretraining.pictures import gather
from lab.pretraining.recipe import PretrainingRecipe, load_recipe
from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig
from probing_core.models.processor import resolve_device
from probing_core.run.files import write_atomically
from probing_core.run.progress import Progress
from probing_core.run.store import Store

OBJECTIVES: dict[str, type[Objective]] = {
    "supervised": Supervised,
    "simclr": SimCLR,
    "mae": MAE,
    "can": CAN,
    "clip": CLIP,
    "align": ALIGN,
}


def run(
    name: str,
    corpus: Corpus,
    out: Path,
    *,
    seed: int,
    steps: int | None,
    keep: int,
    device: str,
    progress: Progress,
) -> Path:
    """Train one encoder; see `lab.pretraining.pretrain`."""
    recipe = load_recipe(name)
    if steps is not None and steps < 1:
        raise BadConfig(f"The number of steps must be 1 or more; got {steps}.")
    if keep < 0:
        raise BadConfig(f"The number of kept encoders must be 0 or more; got {keep}.")
    where = resolve_device(device)
    path = out / ENCODER_FILE
    with Store(out).locked():
        pictures = gather(corpus, out, progress)
        objective = build(recipe, pictures.rows, seed)
        facts = train(
            recipe, objective, pictures, out, seed=seed, steps=steps, keep=keep, device=where, progress=progress
        )
        write_atomically(path, export(objective, facts))
    return path


def build(recipe: PretrainingRecipe, rows: pd.DataFrame, seed: int) -> Objective:
    """Build the objective of ``recipe`` with fresh weights; the global random state is restored."""
    if recipe.objective not in OBJECTIVES:
        raise BadConfig(
            f"The recipe '{recipe.name}' names the objective '{recipe.objective}'; there are: {', '.join(OBJECTIVES)}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OBJECTIVES[recipe.objective](rows, recipe.views, seed, **recipe.options)
