"""Scores of an encoder during training, computed within seconds between two training steps."""

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
from probing_core.compute.training.online_scores import CLEAN_SHIFT, ONLINE_COLUMNS, make_views, online_scores
from probing_core.cores import cores
from probing_core.errors import BadConfig
from probing_core.measures.notation import decimal, in_percent, interval_text
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.providers.callables import batch_of, device_of, rows_of
from probing_core.run.progress import Progress, in_one_line
from probing_core.run.recipe import VIEW, require_view
from probing_core.run.setup import with_identity
from probing_core.transforms import resolve
from probing_core.transforms.transformation import Image

if TYPE_CHECKING:
    import torch
    from plotly.graph_objects import Figure

LEARN_PHOTOGRAPHS = 60
"""Default number of photographs for training the probes. With the defaults, each measurement embeds 3,700 views."""

HELD_OUT_PHOTOGRAPHS = 40
"""Default number of held-out photographs. The 95% CI of fine accuracy then spans about 5 percentage points."""

EMBED_BATCH = 64


@dataclass(frozen=True, eq=False)
class OnlineScores:
    """Scores of an encoder at one step of its training.

    Attributes:
        step: training step.
        scores: one row per score, as in `OnlineProbe.history`.
        seconds: duration of the measurement in seconds.
    """

    step: int
    scores: pd.DataFrame
    seconds: float

    @property
    def numbers(self) -> dict[str, float]:
        """Scores by name for loggers: ``probe/fine``, ``probe/group/blur``, ``probe/content``, ``probe/clean-shift``.

        Accuracies are between 0 and 1. The shift is in units of the mean distance between photographs.
        """
        names = "probe/" + self.scores["name"].str.replace(":", "/")
        return dict(zip(names, self.scores["value"].astype(float), strict=True))

    def __str__(self) -> str:
        rows = self.scores
        formats = [in_percent if name != CLEAN_SHIFT else decimal for name in rows["name"]]
        table = pd.DataFrame(
            {
                "": rows["name"].str.ljust(rows["name"].str.len().max()),
                "value": [write(value) or "undefined" for write, value in zip(formats, rows["value"], strict=True)],
                "95% CI": [
                    interval_text(low, high, write)
                    for write, low, high in zip(formats, rows["low"], rows["high"], strict=True)
                ],
                "chance": rows["chance"].map(in_percent, na_action="ignore").fillna(""),
                "photographs": rows["photographs"],
            }
        )
        notes = dict.fromkeys(note for note in rows["note"] if note)
        return "\n".join(
            [f"step {self.step:,}, measured in {self.seconds:.1f} s", table.to_string(index=False), *notes]
        )

    __repr__ = __str__


class OnlineProbe:
    """Probe that measures, during training, what the embeddings of an encoder encode besides content.

    The views (photographs under every transformation) are computed once. `measure` embeds the views, fits a linear
    discriminant analysis in closed form on the training photographs and scores it on the held-out photographs. Scores
    are comparable between steps and between training runs, but not with the scores of a probing run, whose probes are
    trained on more photographs.

    Examples:
        >>> probe = probing_core.OnlineProbe()  # doctest: +SKIP
        >>> probe.measure(encoder, step=1000)  # doctest: +SKIP

    Args:
        images: as in `probing_core.score`. Only the splits ``train`` and ``val`` are used. A corpus without splits is
            split by photograph.
        labels: as in `probing_core.score`.
        learn: maximum number of images for training the probes. Every transformation is applied to each image.
        held_out: maximum number of images for scoring. Every transformation is applied to each image. The content
            score also uses clean views of all other labeled images.
        view: view size in pixels.
        transforms: names of transformations or sets, as in ``--transforms``.
        seed: random seed.
        progress: object that receives progress updates while the views are computed; by default, progress is displayed
            in terminals and notebooks.

    Attributes:
        views: views to embed, with their labels.
        history: one row per step and score: ``step``, ``name`` (such as ``fine``, ``group:blur``, ``content`` or
            ``clean-shift``), ``measure``, ``value``, ``low`` and ``high`` (95% CI over photographs), ``photographs``
            (number of photographs), ``chance`` and ``note`` (why a value or an interval is missing).

    Raises:
        ProbingError: the images or transformations cannot be used; the message explains how to fix the problem.
    """

    def __init__(
        self,
        images: Any = None,
        *,
        labels: Sequence[str] | None = None,
        learn: int = LEARN_PHOTOGRAPHS,
        held_out: int = HELD_OUT_PHOTOGRAPHS,
        view: int = VIEW,
        transforms: str | Sequence[str] = "bank",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        names = with_identity((transforms,) if isinstance(transforms, str) else tuple(transforms))
        bank = tuple(resolve(name) for name in names)
        if len(bank) < 2 or any(transform.far for transform in bank):
            raise BadConfig(
                f"At least one transformation other than identity is required, and unseen styles are not allowed "
                f"because no probe is trained on them; got {', '.join(t.name for t in bank)}."
            )
        require_view(view)
        if min(learn, held_out) < 1:
            raise BadConfig(f"learn and held_out must be at least 1; got {learn} and {held_out}.")
        design = Design(view=view, transforms=bank, seed=seed, threads=cores())
        bar = in_one_line() if progress is None else progress
        try:
            self.views = make_views(
                design,
                corpus_of(images, labels, None, seed),
                learn,
                held_out,
                lambda completed, total: bar.update("views", completed, total, "Computing views"),
            )
        finally:
            bar.close()
        self.history = pd.DataFrame(columns=["step", *ONLINE_COLUMNS])

    def measure(
        self,
        encode: Callable[[Any], Any],
        step: int,
        *,
        preprocessing: Preprocessing | None = None,
        module: torch.nn.Module | None = None,
    ) -> OnlineScores:
        """Measure ``encode`` at ``step`` and add the scores to `history`, replacing earlier scores of the same step.

        Training is not affected (see `undisturbed`).

        Args:
            encode: a function that maps a list of N arrays (view, view, 3) ``uint8`` to an array or tensor (N, D); or
                a `torch.nn.Module` or one of its methods, which maps a tensor (N, 3, H, W) ``float32`` on the device of
                the module to a tensor (N, D). A module receives the views after ``preprocessing``; by default, pixel
                values are scaled to [0, 1].
            step: training step, 0 or more.
            preprocessing: preprocessing for a module, such as its input size, mean and standard deviation.
            module: the module that the function ``encode`` calls. It is in eval mode during the call.

        Returns:
            The scores at this step.

        Raises:
            BadArray: the embeddings do not have the shape (N, D), or are not finite.
            BadConfig: ``encode`` is not callable, or ``preprocessing`` was given for a function.
        """
        started = time.perf_counter()
        if not callable(encode):
            raise BadConfig(f"encode must be a function that embeds images or a torch.nn.Module; got {encode!r:.80}.")
        owner = _module_of(encode)
        if preprocessing is not None and owner is None:
            raise BadConfig(
                "preprocessing is only supported for a torch.nn.Module. A function must preprocess images itself."
            )
        call = encode if owner is None else _on_tensors(encode, owner, preprocessing)
        with undisturbed(*(part for part in (owner, module) if part is not None)):
            X = _embed(call, self.views.images)
            scores = online_scores(X, self.views)
        rows = scores.assign(step=int(step))[["step", *ONLINE_COLUMNS]]
        earlier = self.history[self.history["step"] != step]
        together = rows if earlier.empty else pd.concat([earlier, rows])
        self.history = together.sort_values("step", kind="stable").reset_index(drop=True)
        return OnlineScores(int(step), rows, time.perf_counter() - started)

    def plot(self, dark: bool = False) -> Figure:
        """Plot `history` by step: fine accuracy, content accuracy, recall of each group and shift of clean images.

        Args:
            dark: whether to use the dark theme.

        Raises:
            BadConfig: nothing has been measured yet.
        """
        from plotly.graph_objects import Figure

        if self.history.empty:
            raise BadConfig("Nothing has been measured yet.", hint="Call `measure(encode, step)` first.")
        return Figure(training_chart(self.history, Theme(dark)))


@contextmanager
def undisturbed(*modules: torch.nn.Module) -> Iterator[None]:
    """Return a context manager for code that must not affect training.

    Within the context, ``modules`` are in eval mode and no gradients are recorded. On exit, the mode of every submodule
    and the random states of Python, NumPy and PyTorch (CPU and CUDA) are restored.
    """
    python, numpy_ = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state, to be restored
    torch = sys.modules.get("torch")
    modes = [(part, part.training) for module in modules for part in module.modules()]
    try:
        if torch is None:
            yield
            return
        devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
        # In inference mode, tensors that a module caches, such as position embeddings, would be unusable in training.
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
    prepare = preprocessing or Preprocessing(size=(0, 0), resize="none")
    device = device_of(module)

    def call(images: Sequence[Image]) -> Any:
        return encode(batch_of(images, prepare).contiguous().to(device))

    return call


def _embed(encode: Callable[[Any], Any], images: Sequence[Image]) -> np.ndarray:
    parts: list[np.ndarray] = []
    for start in range(0, len(images), EMBED_BATCH):
        batch = list(images[start : start + EMBED_BATCH])
        rows = rows_of("The encoder", encode(batch), len(batch), parts[0].shape[1] if parts else 0)
        parts.append(rows)
    return np.concatenate(parts)
