"""Pretraining of the zoo encoders with six objectives, using the same architecture and training loop.

`pretrain` is the only public function. An *objective* is a loss with modules that are discarded after training. A
*recipe* (``recipes/*.toml``) is an objective with its settings. *Views* are random crops of an image. All training runs
have the same number of floating-point operations, but not the same number of images.

Importing this package does not import PyTorch, timm or lightly; `pretrain` does.
"""

from __future__ import annotations

from pathlib import Path

from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadConfig
from probing_core.run.directory import locked_folder
from probing_core.run.files import write_atomically
from probing_core.run.progress import SILENT, Progress


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
    """Train an encoder, or resume an interrupted training run, and return the path of the weights.

    Args:
        recipe: name of a recipe, such as ``supervised`` or ``clip-plain``.
        corpus: corpus whose ``pretrain`` split is used; all rows are used if there is no such split.
        out: output folder for the checkpoint, the log, the decoded images and ``encoder.safetensors``.
        seed: seed of the initial weights, the order of the images and all other random numbers.
        steps: number of steps; by default determined by the compute budget of the zoo.
        keep: number of checkpoints that are saved in ``out/kept``, after all steps, half of the steps, a quarter of the
            steps and so on. They can be used as ``zoo/<recipe>@weights=FILE``.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        UnknownName: the recipe does not exist.
        BadConfig: ``out`` contains another training run, ``steps`` is below 1, ``keep`` is below 0, or lightly is not
            installed.
        BadCorpus: the corpus has too few images.
        BadRun: another process is writing to ``out``, or the disk is full.
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
        raise BadConfig("Pretraining requires lightly, which is not installed. Run `pip install lightly`.") from error
    loaded = load_recipe(recipe)
    if steps is not None and steps < 1:
        raise BadConfig(f"The number of steps must be at least 1, got {steps}.")
    if keep < 0:
        raise BadConfig(f"The number of checkpoints must be at least 0, got {keep}.")
    resolved = resolve_device(device)
    with locked_folder(out, "training run"):
        pictures = gather(corpus, out, progress)
        objective = build(loaded, pictures.rows, seed)
        facts = train(
            loaded, objective, pictures, out, seed=seed, steps=steps, keep=keep, device=resolved, progress=progress
        )
        write_atomically(out / ENCODER_FILE, export(objective, facts))
    return out / ENCODER_FILE
