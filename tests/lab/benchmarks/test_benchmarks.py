from __future__ import annotations

import importlib
import json
import math

import pytest

from lab.benchmarks import __main__ as bench


def numbers(found: object) -> list[float]:
    if isinstance(found, dict):
        return [number for value in found.values() for number in numbers(value)]
    return [found] if isinstance(found, int | float) else []


QUICK = ("probes", "score")


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=() if part in QUICK else pytest.mark.slow) for part in bench.PARTS]
)
def test_each_part_measures_next_to_nothing(part):
    module = importlib.import_module(f"lab.benchmarks.{part}")
    found = module.run(module.SMALL)
    json.dumps(found)
    assert numbers(found)
    assert all(math.isfinite(number) for number in numbers(found))


def test_a_part_that_fails_is_named_and_the_others_go_on(monkeypatch, capsys):
    from lab.benchmarks import bank, probes

    def fail(size: object) -> dict:
        raise ValueError("no strength of 0.18")

    monkeypatch.setattr(probes, "run", fail)
    monkeypatch.setattr(bank, "run", lambda size: {"measured": 1.5})
    assert bench.main(["probes", "bank"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"measured": 1.5}
    assert "no strength of 0.18" in err
    assert "error: probes failed" in err
