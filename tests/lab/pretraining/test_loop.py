from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from lab.pretraining import loop, pretrain
from lab.pretraining.loop import count_flops, kept_steps, read_facts, read_log, schedule
from lab.pretraining.objectives import OBJECTIVES, build
from lab.pretraining.pictures import batch_indices, gather
from lab.pretraining.recipe import load_recipe
from probing_core.errors import BadConfig, BadCorpus, BadRun, ProbingError, UnknownName
from probing_core.models import load_embedder
from probing_core.run.layout import TEMPORARY
from probing_core.run.progress import SILENT, Progress
from tests.lab.pretraining.conftest import Drawn

pytestmark = pytest.mark.slow

PLAIN = tuple(OBJECTIVES)
"""Recipes that are called like their objective: one for each."""


@pytest.fixture
def _save_often(monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)


class Stop(Progress):
    """Interrupts a training after some steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def update(self, stage: str, done: int, total: int, message: str = "") -> None:
        if stage == "pretrain" and done == self.after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def eight() -> Drawn:
    """As few drawn pictures as a training takes."""
    return Drawn(per_split=8)


@pytest.fixture(scope="module")
def undisturbed(eight, tmp_path_factory) -> Callable[[str], Path]:
    """The folder of four steps of a recipe on ``eight`` that nothing stopped."""

    @cache
    def train(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        pretrain(name, eight, folder, steps=4, keep=10)
        return folder

    return train


def outcome(folder: Path) -> tuple[str, dict[str, bytes]]:
    """The log, and the content of every file of weights by its path."""
    weights = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}
    return (folder / "log.jsonl").read_text(), weights


@pytest.mark.usefixtures("_save_often")
@pytest.mark.parametrize("name", ["can", "clip"])
def test_same_seed_same_losses_even_after_a_stop(name: str, eight, undisturbed, tmp_path: Path) -> None:
    """The loop is one for all: of the objectives those two that draw the most, and learn captions."""
    with pytest.raises(KeyboardInterrupt):
        pretrain(name, eight, tmp_path, steps=4, keep=10, progress=Stop(3))
    assert len(read_log(tmp_path)) == 3
    pretrain(name, eight, tmp_path, steps=4, keep=10)
    assert outcome(undisturbed(name)) == outcome(tmp_path)
    assert [line["step"] for line in read_log(undisturbed(name))] == [0, 1, 2, 3]


def test_kept_steps_are_halves_of_the_next() -> None:
    assert kept_steps(1839, 4) == (230, 460, 920, 1839)
    assert len(kept_steps(1839, 10)) == 10
    assert kept_steps(3, 10) == (1, 2, 3)
    assert kept_steps(100, 0) == ()


@pytest.mark.parametrize("name", ["supervised", "clip"])
def test_kept_encoders_are_those_of_their_steps(name: str, eight, undisturbed) -> None:
    """The last one embeds as the encoder of the finished training; earlier ones differ from it and from each other."""
    folder = undisturbed(name)
    files = [loop.kept_path(folder, step) for step in (1, 2, 4)]
    assert sorted((folder / "kept").iterdir()) == files
    picture = [eight.load("000")]
    finished = load_embedder(f"zoo/{name}@weights={folder / 'encoder.safetensors'}").embed(picture)
    kept = [load_embedder(f"zoo/{name}@weights={file}").embed(picture) for file in files]
    np.testing.assert_array_equal(kept[2], finished)
    assert len({embedding.tobytes() for embedding in kept}) == 3


@pytest.mark.usefixtures("_save_often")
def test_a_killed_training_goes_on(eight, undisturbed, tmp_path: Path) -> None:
    """CAN has everything that could be lost: noise, masks, views, batch statistics, the optimizer's moments."""
    script = f"""
import os, signal
from pathlib import Path
from tests.lab.pretraining.conftest import Drawn
from lab.pretraining import loop, pretrain
from probing_core.run.progress import Progress
loop.SAVE_EVERY = 2
class Kill(Progress):
    def update(self, stage, done, total, message=""):
        if stage == "pretrain" and done == 3:
            os.kill(os.getpid(), signal.SIGKILL)
pretrain("can", Drawn(per_split=8), Path({str(tmp_path / "killed")!r}), steps=4, keep=10, progress=Kill())
"""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL

    (tmp_path / "killed" / f"checkpoint.pt{TEMPORARY}").write_bytes(b"half")
    with (tmp_path / "killed" / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "lo')
    pretrain("can", eight, tmp_path / "killed", steps=4, keep=10)
    assert outcome(undisturbed("can")) == outcome(tmp_path / "killed")


def test_a_finished_training_is_not_done_again(eight, tmp_path: Path) -> None:
    pretrain("supervised", eight, tmp_path, steps=2)
    before = outcome(tmp_path)
    pretrain("supervised", eight, tmp_path, steps=2, progress=Stop(1))
    assert outcome(tmp_path) == before


def test_another_training_is_refused_in_the_same_folder(eight, tmp_path: Path) -> None:
    pretrain("supervised", eight, tmp_path, steps=1)
    with pytest.raises(BadConfig, match="differs in steps"):
        pretrain("supervised", eight, tmp_path, steps=2)
    with pytest.raises(BadConfig, match="recipe"):
        pretrain("mae", eight, tmp_path, steps=1)
    with pytest.raises(BadConfig, match="differs in kept"):
        pretrain("supervised", eight, tmp_path, steps=1, keep=1)


def test_bad_input_is_told(drawn, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'simclr'"):
        pretrain("simclrr", drawn, tmp_path)
    with pytest.raises(BadConfig, match="at least 1"):
        pretrain("mae", drawn, tmp_path, steps=0)
    with pytest.raises(BadConfig, match="at least 0"):
        pretrain("mae", drawn, tmp_path, keep=-1)


def test_a_loss_that_is_not_finite_stops_the_training(eight, tmp_path: Path) -> None:
    recipe = load_recipe("supervised")
    pictures = gather(eight, tmp_path, SILENT)
    objective = build(recipe, pictures.rows, 0)
    with torch.no_grad():
        objective.head.weight.fill_(float("nan"))
    with pytest.raises(ProbingError, match="nan at step 0"):
        loop.train(
            recipe, objective, pictures, tmp_path, seed=0, steps=1, keep=0, device=torch.device("cpu"), progress=SILENT
        )


@pytest.mark.usefixtures("_save_often")
def test_a_full_disk_is_one_sentence_and_the_training_goes_on_from_what_was_complete(
    eight, undisturbed, tmp_path: Path
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Fill(Progress):
        def update(self, stage: str, done: int, total: int, message: str = "") -> None:
            if (stage, done) in (("decode", 1), ("pretrain", 3)):
                patch.setattr(os, "fsync", full)

    for file in ("npy", "step-000004.safetensors"):
        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(BadRun, match=f"{file}' could not be written: No space"),
        ):
            pretrain("supervised", eight, tmp_path / "full", steps=4, keep=10, progress=Fill())
        assert not [path for path in (tmp_path / "full").iterdir() if path.name.endswith(TEMPORARY)]
        gather(eight, tmp_path / "full", SILENT)
    pretrain("supervised", eight, tmp_path / "full", steps=4, keep=10)
    assert outcome(tmp_path / "full") == outcome(undisturbed("supervised"))


def test_only_the_pretrain_split_is_read(drawn, tmp_path: Path) -> None:
    pictures = gather(drawn, tmp_path, SILENT)
    assert list(pictures.rows["image_id"]) == [f"{i:03d}" for i in range(16)]
    assert pictures.pixels.shape == (16, 3, 144, 144)
    center = drawn.load("005")[:, 10:190].transpose(2, 0, 1).astype(int)  # 180 x 200 shrinks to 144 x 160
    assert abs(pictures.pixels[5].astype(int).mean() - center.mean()) < 3
    with pytest.raises(BadCorpus, match="at least 8"):
        gather(type(drawn)(per_split=4), tmp_path, SILENT)


def test_a_corpus_without_that_split_is_read_whole(drawn, tmp_path: Path) -> None:
    other = type(drawn)()
    other.rows = other.rows.assign(split="")
    assert len(gather(other, tmp_path, SILENT).rows) == 48


def test_epochs_are_permutations_of_the_seed() -> None:
    epoch = np.concatenate([batch_indices(step, 50, 10, seed=3) for step in range(5)])
    assert sorted(epoch) == list(range(50))
    following = np.concatenate([batch_indices(step, 50, 10, seed=3) for step in range(5, 10)])
    assert sorted(following) == list(range(50))
    assert not np.array_equal(epoch, following)
    assert not np.array_equal(batch_indices(0, 50, 10, seed=3), batch_indices(0, 50, 10, seed=4))


def test_schedule_rises_then_falls() -> None:
    rates = [schedule(step, 200, 0.05) for step in range(200)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[105] == pytest.approx(0.5)
    assert rates[-1] < 1e-3


def flops_of(name: str, sixteen, pictures) -> float:
    """Of one picture, in a batch of eight."""
    objective = build(load_recipe(name), sixteen.rows, 0)
    return count_flops(objective, (pictures[:8], torch.arange(8))) / 8


def test_flops_are_those_of_the_formula(sixteen, pictures) -> None:
    tokens, width, classes = 64, 192, sixteen.rows["label"].nunique()
    first = 16 * tokens * 48 * 96
    stem = 4 * tokens * 384 * 128 + tokens * 512 * width
    blocks = 4 * (12 * tokens * width**2 + 2 * tokens**2 * width)
    # Two operations a product; twice as many backward as forward, but no gradient of the pictures.
    expected = 2 * (2 * first + 3 * (stem + blocks + width * classes))
    assert flops_of("supervised", sixteen, pictures) == pytest.approx(expected, rel=1e-6)


def test_two_views_cost_twice_and_masks_save(sixteen, pictures) -> None:
    supervised, simclr, mae, can = (flops_of(n, sixteen, pictures) for n in ("supervised", "simclr", "mae", "can"))
    assert simclr / supervised == pytest.approx(2, rel=0.02)
    assert 0.3 < mae / supervised < 0.6
    assert 1.0 < can / simclr * 2 < 1.6


@pytest.mark.parametrize("name", ["mae", "align"])
def test_without_steps_the_budget_decides(name: str, sixteen, pictures, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "FLOP_BUDGET", 2.4 * 8 * flops_of(name, sixteen, pictures))
    pretrain(name, sixteen.first(8), tmp_path)
    facts = read_facts(tmp_path)
    assert facts.steps == 2
    assert facts.images_seen == 16


# Pictures and steps of the overfit, and the share of the starting loss below which it must end. A loss that does not
# fall, or falls only by the part that a constant prediction explains, stays above: in the masked objectives, with the
# output of the encoder set to zero, it ended at 0.73 (MAE, 40 steps) and 0.80 (CAN).
OVERFIT = {
    "supervised": (8, 8, 0.8),
    "mae": (8, 32, 0.69),
    "simclr": (16, 20, 0.8),
    "can": (8, 40, 0.76),
    "clip": (8, 12, 0.8),
    "align": (8, 24, 0.8),
}


@pytest.mark.parametrize("name", PLAIN)
def test_few_pictures_are_learned(name: str, sixteen, tmp_path: Path) -> None:
    count, steps, share = OVERFIT[name]
    pretrain(name, sixteen.first(count), tmp_path, steps=steps)
    losses = [line["loss"] for line in read_log(tmp_path)]
    assert np.mean(losses[-8:]) < share * np.mean(losses[:3])
