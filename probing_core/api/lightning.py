"""`probing_core.LookProbe` in a training of Lightning (`pytorch-lightning`, or `lightning`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ModuleNotFoundError:
    from pytorch_lightning import Callback, LightningModule, Trainer

from probing_core.api.look import LookProbe
from probing_core.models.base import Preprocessing


class LookCallback(Callback):
    """Measures after every ``every`` steps of the optimizer, and logs the numbers with the loggers of the trainer.

    Args:
        look: the views that are measured on.
        encoder: module of the training -> what is measured, as `LookProbe.measure` takes it: one of its submodules, a
            method, or a function of images. The module itself, if not given.
        every: steps.
        preprocessing: of a module.
    """

    def __init__(
        self,
        look: LookProbe,
        encoder: Callable[[LightningModule], Any] = lambda module: module,
        every: int = 1000,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        self.look, self.encoder, self.every, self.preprocessing = look, encoder, every, preprocessing
        self._last = -1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure every so many steps of the optimizer, on the first process alone, and log the numbers to every logger
        of the trainer.

        Raises:
            ProbingError: what ``encoder`` returns cannot be measured.
        """
        # Where gradients are accumulated, several batches end at the same step.
        step = trainer.global_step
        if not trainer.is_global_zero or not step or step % self.every or step == self._last:
            return
        self._last = step
        encode = self.encoder(pl_module)
        measured = self.look.measure(encode, step, preprocessing=self.preprocessing, module=pl_module)
        for logger in trainer.loggers:
            logger.log_metrics(measured.numbers, step=step)
