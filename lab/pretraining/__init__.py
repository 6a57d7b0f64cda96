"""Pretraining of the zoo: six objectives, one encoder, one loop, everything else equal.

`pretrain` is all that a caller needs. An *objective* is a loss and the modules thrown away after training; a *recipe*
(``recipes/*.toml``) is one objective with its settings; *views* are what is drawn from a picture at each step.
Trainings get the same floating-point operations, not the same number of pictures.

Importing this package is cheap; `pretrain` imports PyTorch, timm and lightly.
"""

from __future__ import annotations

from pathlib import Path

from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadConfig
from probing_core.run.files import write_atomically
from probing_core.run.progress import SILENT, Progress
from probing_core.run.store import Store


def pretrain(
    recipe: str,
    corpus: Corpus,
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    keep: int = 0,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Path:
    """Train one encoder, or continue where an earlier call was stopped; return the file of its weights.

    Args:
        recipe: one of the recipes, ``supervised`` or ``clip-plain``.
        corpus: its rows of split ``pretrain`` are used; all of them if it has no such split.
        out: a folder for the checkpoint, the log, the decoded pictures and, at the end, ``encoder.safetensors``.
        seed: of the initial weights, the order of the pictures and everything that is drawn.
        steps: how many; without it, as many as the zoo's budget of floating-point operations allows.
        keep: how many encoders of earlier steps stay in ``out/kept``: the last one, that of half the steps, of a
            quarter and so on, as files that ``zoo/<recipe>@weights=FILE`` embeds with.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        UnknownName: there is no such recipe.
        BadConfig: ``out`` holds another training, ``steps`` is below 1, ``keep`` below 0, or lightly is not installed.
        BadCorpus: it holds too few pictures.
        BadRun: another process trains in ``out``, or the disk is full.
    """
    try:
        from lab.pretraining.loop import ENCODER_FILE, export, train
        from lab.pretraining.objectives import build
        from lab.pretraining.pictures import gather
        from lab.pretraining.recipe import load_recipe
        from probing_core.models.processor import resolve_device
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "lightly":
            raise
        raise BadConfig("Pretraining needs lightly, which is not installed; `pip install lightly`.") from error
    loaded = load_recipe(recipe)
    if steps is not None and steps < 1:
        raise BadConfig(f"The number of steps must be 1 or more; got {steps}.")
    if keep < 0:
        raise BadConfig(f"The number of kept encoders must be 0 or more; got {keep}.")
    resolved = resolve_device(device)
    with Store(out).locked():
        pictures = gather(corpus, out, progress)
        objective = build(loaded, pictures.rows, seed)
        facts = train(
            loaded, objective, pictures, out, seed=seed, steps=steps, keep=keep, device=resolved, progress=progress
        )
        write_atomically(out / ENCODER_FILE, export(objective, facts))
    return out / ENCODER_FILE
