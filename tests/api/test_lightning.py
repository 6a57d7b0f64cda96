"""`LookCallback` in a training of the real package."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import nn

import probing_core
from probing_core.api.lightning import LookCallback
from tests.conftest import scene


class Training(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        self.head = nn.Linear(32, 2)

    def training_step(self, batch, batch_idx):
        pictures, labels = batch
        return nn.functional.cross_entropy(self.head(self.encoder(pictures)), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def fit(folder, *callbacks, **settings):
    pl.seed_everything(0)
    data = torch.utils.data.TensorDataset(torch.rand(24, 3, 32, 32), torch.arange(24) % 2)
    module = Training()
    logger = CSVLogger(folder)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=logger,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **settings,
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=2, shuffle=True))
    logger.save()
    return module, (folder / "lightning_logs" / "version_0" / "metrics.csv")


@pytest.mark.filterwarnings("ignore")
def test_a_training_of_lightning_is_measured_logged_and_left_as_it_is(tmp_path):
    look = probing_core.LookProbe(
        [scene(i, 64) for i in range(20)], view=32, transforms="gaussian-blur", learn=8, held_out=4
    )
    alone, _ = fit(tmp_path / "alone")
    measured, logged = fit(tmp_path / "measured", LookCallback(look, lambda module: module.encoder, every=4))
    assert list(dict.fromkeys(look.history["step"])) == [4, 8, 12]
    for a, b in zip(alone.state_dict().values(), measured.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert measured.training
    lines = logged.read_text().splitlines()
    assert "look/fine" in lines[0].split(",")
    assert sum(bool(line.split(",")[lines[0].split(",").index("look/fine")]) for line in lines[1:]) == 3

    look.history = look.history[:0]
    fit(tmp_path / "gathered", LookCallback(look, lambda module: module.encoder, every=2), accumulate_grad_batches=3)
    assert list(dict.fromkeys(look.history["step"])) == [2, 4], "steps are the optimizer's, each measured once"
