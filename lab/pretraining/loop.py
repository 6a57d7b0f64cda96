"""Training loop for all objectives. Interrupted training runs can be resumed with bit-identical results."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lab.pretraining.objectives import Objective
from lab.pretraining.pictures import Pictures, batch_indices
from lab.pretraining.recipe import PretrainingRecipe
from probing_core.errors import BadConfig, BadRun, ProbingError, one_line
from probing_core.models.processor import resolve_precision
from probing_core.models.zoo_network import ARCHITECTURE
from probing_core.run.files import write_atomically
from probing_core.run.progress import Progress

FLOP_BUDGET = 4e14
"""Floating-point operations of the training of every zoo encoder, forward and backward.

Objectives that see two views or few patches take fewer or more pictures for the same operations.
"""

ENCODER_FILE = "encoder.safetensors"
"""Name of the file with the weights of a finished training run."""

KEPT_FOLDER = "kept"
"""Name of the folder with checkpoints of earlier steps."""

SAVE_EVERY = 20


@dataclass(frozen=True)
class Facts:
    """Facts about a training run, as written to ``training.json``. A training run can only be resumed with equal facts.

    ``kept`` contains the numbers of steps after which a checkpoint is saved, in ascending order.
    """

    recipe: dict[str, Any]
    architecture: str
    seed: int
    steps: int
    batch: int
    flops_per_step: int
    precision: str
    device: str
    threads: int
    pictures: int
    pictures_digest: str
    torch: str
    kept: tuple[int, ...] = ()

    @property
    def images_seen(self) -> int:
        return self.steps * self.batch


def train(
    recipe: PretrainingRecipe,
    objective: Objective,
    pictures: Pictures,
    out: Path,
    *,
    seed: int,
    steps: int | None,
    keep: int,
    device: torch.device,
    progress: Progress,
) -> Facts:
    """Train ``objective`` in ``out``, from its last checkpoint if there is one.

    Writes ``training.json``, ``checkpoint.pt``, ``log.jsonl`` (one JSON object a step) and one file of `kept_path`
    for each of `kept_steps`. Everything random in a step follows from (seed, step), so that a checkpoint holds
    weights and the optimizer's state alone, and a step that is done again writes the same kept file.

    Raises:
        BadConfig: ``out`` holds another training.
        BadRun: the disk is full.
        ProbingError: the loss is not finite.
    """
    batch = min(recipe.batch, len(pictures.rows))
    precision = resolve_precision("auto", device)
    objective.to(device)
    choose_attention(objective, device)
    flops = count_flops(objective, read_batch(pictures, 0, batch, seed, device))
    steps = steps or max(1, round(FLOP_BUDGET / flops))
    facts = Facts(
        recipe=recipe.to_json(),
        architecture=ARCHITECTURE,
        seed=seed,
        steps=steps,
        batch=batch,
        flops_per_step=flops,
        precision=precision,
        device=device.type,
        threads=torch.get_num_threads(),
        pictures=len(pictures.rows),
        pictures_digest=pictures.digest,
        torch=torch.__version__,
        kept=kept_steps(steps, keep),
    )
    _agree(facts, out / "training.json")
    optimizer = make_optimizer(objective, recipe)
    start = _resume(out / "checkpoint.pt", objective, optimizer, device)
    log = out / "log.jsonl"
    _cut(log, start)

    objective.train()
    with log.open("a", encoding="utf-8") as lines:
        for step in range(start, facts.steps):
            rate = recipe.learning_rate * schedule(step, facts.steps, recipe.warm_up)
            data, generator = read_batch(pictures, step, batch, seed, device), step_generator(seed, step, device)
            values = take_step(objective, optimizer, data, generator, rate, recipe.clip, precision)
            if not math.isfinite(values["loss"]):
                raise ProbingError(f"The loss of '{recipe.name}' is {values['loss']} at step {step}; lower its rate.")
            lines.write(json.dumps({"step": step, **values, "rate": rate}) + "\n")
            lines.flush()
            if step + 1 in facts.kept:
                write_atomically(kept_path(out, step + 1), export(objective, facts, step + 1))
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == facts.steps:
                _save(out / "checkpoint.pt", step + 1, objective, optimizer)
            progress.update("pretrain", step + 1, facts.steps, f"Training {recipe.name}, loss {values['loss']:.3f}")
    return facts


def take_step(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor],
    generator: torch.Generator,
    rate: float,
    clip: float,
    precision: str,
) -> dict[str, float]:
    """Train ``objective`` for one step, and return the terms of its loss and ``gradient_norm`` before clipping.

    Args:
        data: result of `read_batch`.
        rate: learning rate.
        clip: maximum norm of the gradient.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    images, indices = data
    dtype = getattr(torch, precision)
    with torch.autocast(images.device.type, dtype=dtype, enabled=dtype is not torch.float32):
        terms = objective(images, indices, generator)
    optimizer.zero_grad()
    terms["loss"].backward()
    norm = torch.nn.utils.clip_grad_norm_(objective.parameters(), clip)
    optimizer.step()
    objective.after_step()
    return {**{name: term.item() for name, term in terms.items()}, "gradient_norm": float(norm)}


def count_flops(objective: Objective, data: tuple[Tensor, Tensor]) -> int:
    """Count the floating-point operations of one step's forward and backward pass: products of matrices, as PyTorch
    counts them.

    Counted on a copy and with attention spelled out, for which the counter has a formula on every device.
    Drawing the views is not part of it: it trains nothing.
    """
    images, indices = data
    probe = copy.deepcopy(objective)
    views = objective.views(images, step_generator(0, 0, images.device))
    probe.views = lambda pictures, generator: views
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        probe(images, indices, step_generator(0, 0, images.device))["loss"].backward()
    return counter.get_total_flops()


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Return the learning rate relative to its peak: linear warm-up over the fraction ``warm_up`` of the steps, then
    cosine decay to 0."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def make_optimizer(objective: Objective, recipe: PretrainingRecipe) -> torch.optim.AdamW:
    """Return AdamW for all parameters, without weight decay for biases, scales, positions and tokens."""
    named = [(name, p) for name, p in objective.named_parameters() if p.requires_grad]
    spared = {name for name, p in named if p.ndim < 2 or name.endswith(("pos_embed", "positions", "mask_token"))}
    groups = [
        {"params": [p for name, p in named if name not in spared], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in named if name in spared], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas)


def step_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Return the random generator for one step."""
    key = hashlib.blake2b(f"{seed}|{step}".encode(), digest_size=7).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(key, "little"))


def kept_steps(steps: int, keep: int) -> tuple[int, ...]:
    """Return the steps after which the encoder is kept: the last one, its half, its quarter and so on, rising.

    Args:
        steps: of the whole training.
        keep: how many; fewer where ``steps`` cannot be halved so often.
    """
    return tuple(sorted({round(steps / 2**halvings) for halvings in range(keep)} - {0}))


def kept_path(out: Path, step: int) -> Path:
    """Return the path of the checkpoint after ``step`` steps of the training run in ``out``. Paths sort by step."""
    return out / KEPT_FOLDER / f"step-{step:06d}.safetensors"


def export(objective: Objective, facts: Facts, step: int | None = None) -> bytes:
    """Return the encoder as a file of weights in half precision, with the facts of the training as metadata.

    Args:
        step: of a kept encoder, which is then stated beside the facts; its text tower is left out. Without it, the
            encoder of a finished training, with the text tower where there is one.
    """
    weights = {f"encoder.{name}": tensor for name, tensor in objective.encoder.state_dict().items()}
    metadata: dict[str, Any] = asdict(facts)
    if step is None:
        weights |= objective.extra_weights()
        metadata |= objective.extra_facts()
    else:
        metadata |= {"step": step}
    half = {name: tensor.detach().half().cpu().contiguous() for name, tensor in weights.items()}
    # A single entry: safetensors writes several in an order that changes from call to call.
    return save(half, {"facts": json.dumps(metadata, sort_keys=True)})


def read_log(out: Path) -> list[dict[str, float]]:
    """Read the lines of ``log.jsonl``, one a step.

    Raises:
        BadRun: it is missing or damaged.
    """
    with _readable(out / "log.jsonl") as text:
        return [json.loads(line) for line in text.splitlines()]


def read_facts(out: Path) -> Facts:
    """Read the facts about the training run in ``out``.

    Raises:
        BadRun: ``training.json`` is missing or corrupted.
    """
    with _readable(out / "training.json") as text:
        content = json.loads(text)
        return Facts(**{**content, "kept": tuple(content.get("kept", ()))})


@contextmanager
def _readable(path: Path) -> Iterator[str]:
    """Yield the text of ``path``; raise an error where the reader finds that no training wrote it."""
    try:
        yield path.read_text(encoding="utf-8")
    except (OSError, ValueError, TypeError) as error:
        raise BadRun(
            f"'{path}' cannot be read as a file of a training ({one_line(error)}); `python -m lab.pretraining` "
            f"into another folder makes it again."
        ) from error


def read_batch(pictures: Pictures, step: int, batch: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the images (N, 3, S, S) ``uint8`` of one step and their positions (N,), on ``device``."""
    indices = batch_indices(step, len(pictures.rows), batch, seed)
    images = torch.from_numpy(np.ascontiguousarray(pictures.pixels[indices]))
    return images.to(device), torch.from_numpy(indices).to(device)


def choose_attention(objective: Objective, device: torch.device) -> None:
    """Disable fused attention on CPUs, where PyTorch's fused backward pass is slower for 64 tokens."""
    for module in objective.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = device.type != "cpu"  # type: ignore[assignment]


def _agree(facts: Facts, path: Path) -> None:
    current = json.loads(json.dumps(asdict(facts)))  # as JSON gives it back: tuples become lists
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name in current if current[name] != stored.get(name)]
        if differing:
            raise BadConfig(
                f"'{path.parent}' holds another training, which differs in {', '.join(differing)}; "
                f"name another folder, or remove it."
            )
    write_atomically(path, json.dumps(current, indent=1).encode())


def _save(path: Path, step: int, objective: Objective, optimizer: torch.optim.Optimizer) -> None:
    state = {"step": step, "objective": objective.state_dict(), "optimizer": optimizer.state_dict()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def _resume(path: Path, objective: Objective, optimizer: torch.optim.Optimizer, device: torch.device) -> int:
    """Load the last checkpoint, if there is one, and return the next step."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    objective.load_state_dict(state["objective"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def _cut(log: Path, start: int) -> None:
    """Drop the lines of steps that are done again; the last of them may be half written."""
    lines = log.read_text(encoding="utf-8").splitlines()[:start] if log.exists() else []
    write_atomically(log, "".join(line + "\n" for line in lines).encode())
