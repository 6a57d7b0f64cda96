"""The look that an encoder holds, measured within seconds between two steps of its training."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probing_core.api.score import corpus_of
from probing_core.charts import Theme, training_chart
from probing_core.compute.sampling.samples import Design
from probing_core.compute.training.online_score import COLUMNS, UNTOUCHED_SHIFT, look_scores, make_views
from probing_core.cores import cores
from probing_core.errors import BadConfig
from probing_core.measures.notation import decimal, in_percent
from probing_core.models.base import Preprocessing
from probing_core.models.providers.callables import device_of, rows_of
from probing_core.run.progress import Progress, in_one_line
from probing_core.run.recipe import VIEW, require_view
from probing_core.run.setup import with_identity
from probing_core.transforms import resolve
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch
    from plotly.graph_objects import Figure

LEARN, HELD_OUT = 60, 40
"""Photographs: the interval of the fine task is then about 5 points wide, and a call embeds 3,700 views."""

BATCH = 64


@dataclass(frozen=True, eq=False)
class Look:
    """What an encoder holds at one step.

    Attributes:
        scores: one row a score, as in `LookProbe.history`.
        seconds: that the measurement took.
    """

    step: int
    scores: pd.DataFrame
    seconds: float

    @property
    def numbers(self) -> dict[str, float]:
        """The values under the names that loggers group by: ``look/fine``, ``look/group/blur``, ``look/content``,
        ``look/untouched-shift``; shares between 0 and 1, the shift in units of the distance between photographs."""
        names = "look/" + self.scores["name"].str.replace(":", "/")
        return dict(zip(names, self.scores["value"].astype(float), strict=True))

    def __str__(self) -> str:
        rows = self.scores
        written = [in_percent if name != UNTOUCHED_SHIFT else decimal for name in rows["name"]]
        shown = pd.DataFrame(
            {
                "": rows["name"].str.ljust(rows["name"].str.len().max()),
                "value": [write(value) for write, value in zip(written, rows["value"], strict=True)],
                "95 % interval": [
                    f"{write(low)} to {write(high)}"
                    for write, low, high in zip(written, rows["low"], rows["high"], strict=True)
                ],
                "chance": rows["chance"].map(in_percent, na_action="ignore").fillna(""),
                "photographs": rows["photographs"],
            }
        )
        return f"step {self.step:,}, measured in {self.seconds:.1f} s\n{shown.to_string(index=False)}"

    __repr__ = __str__


class LookProbe:
    """Measures between the steps of a training what its encoder holds besides what is in the picture.

    A frozen set of views, photographs under every transformation, is made once; a call embeds it, fits linear
    discriminant analysis in closed form on some photographs and scores it on others. Its numbers can be compared over
    the steps of a training and between trainings, but not with those of a run, whose probes learn from more.

    Args:
        images: as in `probing_core.score`; by default the photographs that ship. The splits ``train`` and ``val``
            are read, ``test`` never; without splits, the photographs are split.
        labels: as in `probing_core.score`.
        learn: number of photographs to learn from, under every transformation.
        held_out: number of photographs to measure on, likewise. All others serve the content, untouched.
        view: pixels of the side of the views.
        transforms: names, or sets as in ``--transforms``.
        seed: of every random draw.
        progress: receives the progress of making the views; by default a line in terminals and notebooks.

    Attributes:
        views: that are embedded, with what is known of each.
        history: one row a step and score: ``step``, ``name`` (``fine``, ``group:blur`` and so on, ``content``,
            ``untouched-shift``), ``measure``, ``value`` with its 95 % interval ``low`` to ``high`` over
            ``photographs``, and ``chance``.

    Raises:
        ProbingError: the pictures cannot be used; the sentence says how to mend it.
    """

    def __init__(
        self,
        images: Any = None,
        *,
        labels: Sequence[str] | None = None,
        learn: int = LEARN,
        held_out: int = HELD_OUT,
        view: int = VIEW,
        transforms: str | Sequence[str] = "bank",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        names = with_identity((transforms,) if isinstance(transforms, str) else tuple(transforms))
        bank = tuple(resolve(name) for name in names)
        if len(bank) < 2 or any(transform.far for transform in bank):
            raise BadConfig(
                f"A transformation beside identity is needed at least, and none of the far styles, which no probe "
                f"learns from; got {', '.join(t.name for t in bank)}."
            )
        require_view(view)
        design = Design(view=view, transforms=bank, seed=seed, threads=cores())
        shown = in_one_line() if progress is None else progress
        try:
            self.views = make_views(
                design,
                corpus_of(images, labels, None, seed),
                learn,
                held_out,
                lambda done, total: shown.update("look", done, total, "Making the views"),
            )
        finally:
            shown.close()
        self.history = pd.DataFrame(columns=["step", *COLUMNS])

    def measure(
        self,
        encode: Callable[[Any], Any],
        step: int,
        *,
        preprocessing: Preprocessing | None = None,
        module: torch.nn.Module | None = None,
    ) -> Look:
        """Measure what ``encode`` holds at ``step``, and enter it into `history`, in place of an earlier entry for this
        step.

        The training is not disturbed (see `undisturbed`).

        Args:
            encode: a function: list of N arrays (view, view, 3) ``uint8`` -> (N, D), an array or a tensor on any
                device. Or a `torch.nn.Module`, or a method of one: tensor (N, 3, H, W) ``float32`` on the device of the
                module -> tensor (N, D); its input is the views in [0, 1], or what ``preprocessing`` makes of them.
            step: of the training, 0 or more.
            preprocessing: of a module: size, mean, deviation.
            module: called by a function ``encode``, so that its mode can be restored.

        Raises:
            BadArray: the embeddings have another shape than (N, D), or hold values that are not finite.
            BadConfig: ``encode`` cannot be called, or ``preprocessing`` was given with a function, which has its own.
        """
        begun = time.perf_counter()
        if not callable(encode):
            raise BadConfig(f"A function of a list of images or a torch.nn.Module is measured; got {encode!r:.80}.")
        owner = _module_of(encode)
        if preprocessing is not None and owner is None:
            raise BadConfig("A function makes its own input of the images; `preprocessing` belongs to a torch module.")
        call = encode if owner is None else _on_tensors(encode, owner, preprocessing)
        with undisturbed(*(one for one in (owner, module) if one is not None)):
            X = _embed(call, self.views.images)
            scores = look_scores(X, self.views)
        rows = scores.assign(step=int(step))[["step", *COLUMNS]]
        earlier = self.history[self.history["step"] != step]
        together = rows if earlier.empty else pd.concat([earlier, rows])
        self.history = together.sort_values("step", kind="stable").reset_index(drop=True)
        return Look(int(step), rows, time.perf_counter() - begun)

    def plot(self, dark: bool = False) -> Figure:
        """Draw the `history` over the steps: fine and content, and the recall of each group.

        Raises:
            BadConfig: nothing was measured yet.
        """
        from plotly.graph_objects import Figure

        if self.history.empty:
            raise BadConfig("Nothing was measured yet; `measure(encode, step)` does.")
        return Figure(training_chart(self.history, Theme(dark)))


@contextmanager
def undisturbed(*modules: torch.nn.Module) -> Iterator[None]:
    """Leave no trace in a training: within, ``modules`` are in ``eval`` mode and no gradient is recorded; afterwards
    the mode of every submodule and the random states of Python, NumPy and PyTorch (processor and CUDA) are restored."""
    python, numpy_ = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state, to put it back
    torch = sys.modules.get("torch")
    modes = [(part, part.training) for module in modules for part in module.modules()]
    try:
        if torch is None:
            yield
            return
        devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
        # Not inference mode: a tensor that a module keeps for later, such as a table of positions, would be unusable in
        # training.
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            for module in modules:
                module.eval()
            yield
    finally:
        for part, mode in modes:
            part.training = mode
        random.setstate(python)
        np.random.set_state(numpy_)  # noqa: NPY002


def _module_of(encode: Any) -> torch.nn.Module | None:
    torch = sys.modules.get("torch")
    owner = getattr(encode, "__self__", encode)
    return owner if torch is not None and isinstance(owner, torch.nn.Module) else None


def _on_tensors(
    encode: Callable[[Any], Any], module: torch.nn.Module, preprocessing: Preprocessing | None
) -> Callable[[Sequence[Image]], Any]:
    import torch

    from probing_core.models.preprocessing import make_batch

    how = preprocessing or Preprocessing(size=(0, 0), resize="none")
    device = device_of(module)

    def call(images: Sequence[Image]) -> Any:
        return encode(torch.from_numpy(make_batch(images, how)).permute(0, 3, 1, 2).contiguous().to(device))

    return call


def _embed(encode: Callable[[Any], Any], images: Sequence[Image]) -> np.ndarray:
    parts: list[np.ndarray] = []
    for start in range(0, len(images), BATCH):
        batch = list(images[start : start + BATCH])
        rows = rows_of("The encoder", encode(batch), len(batch), parts[0].shape[1] if parts else 0)
        parts.append(rows)
    return np.concatenate(parts)
