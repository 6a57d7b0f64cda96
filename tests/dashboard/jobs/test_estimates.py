"""One process waits for the next model name, whoever enters it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.jobs import estimates

BASE, OTHER = Path("base"), Path("other")


class Recorded:
    """A command that is not started."""

    def __init__(self, arguments, module="probing_core.cli"):
        self.arguments, self.module, self.received, self.is_running = arguments, module, [], True
        started.append(self)

    def send(self, line):
        if not self.is_running:
            raise BrokenPipeError
        self.received.append(line)


started: list[Recorded] = []


@pytest.fixture(autouse=True)
def _recorded(monkeypatch):
    started.clear()
    monkeypatch.setattr(estimates, "Command", Recorded)
    monkeypatch.setattr(estimates, "_waiting", {})


def test_prepare_starts_one_process_which_takes_the_next_name():
    estimates.prepare(BASE)
    estimates.prepare(BASE)
    estimates.prepare(OTHER)
    (waiting,) = started
    assert (waiting.arguments, waiting.module) == (["base"], estimates.WAITING_ESTIMATE)
    assert estimates.start("timm:resnet18", BASE) is waiting
    assert waiting.received == ["timm:resnet18"]
    second = estimates.start("timm:resnet50", BASE)
    assert second.arguments == ["rank", "timm:resnet50", "--base", "base", "--estimate"]
    assert waiting.received == ["timm:resnet18"], "a process takes one name"


def test_start_uses_a_new_process_if_none_waits_for_the_run():
    estimates.prepare(BASE)
    assert estimates.start("timm:resnet18", OTHER).module == "probing_core.cli"
    started[0].is_running = False  # it has waited too long
    assert estimates.start("timm:resnet18", BASE).module == "probing_core.cli"
    estimates.prepare(OTHER)
    assert started[-1].arguments == ["other"]


@pytest.mark.slow
def test_a_waiting_process_answers_and_ends(trained_run, monkeypatch):
    monkeypatch.undo()
    estimates.prepare(trained_run)
    command = estimates.start("baseline/dhash", trained_run)
    assert command.output().startswith("Ranking baseline/dhash takes about ")
    assert not command.is_running
    estimates.prepare(trained_run)
    with pytest.raises(Exception, match="'timmm:' is not a known model type"):
        estimates.start("timmm:x", trained_run).output()
