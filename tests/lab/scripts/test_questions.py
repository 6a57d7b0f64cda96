"""Questions about a run, and the key to them."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lab.scripts import questions as script
from lab.scripts.questions import TEMPLATES, Tables, Unclear, questions
from probing_core.measures.notation import model_title
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.results.claim_sentences import CLAIM_TEXTS


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(Run.open(reference_run()))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def small(**parts: Any) -> Any:
    """Return tables that hold the given parts alone."""
    return SimpleNamespace(models=["zoo/mae"], transforms=["fog"], **parts)


def test_questions_are_the_same_for_a_seed_and_differ_between_seeds(tables):
    first, again, other = (questions(tables, seed) for seed in (1, 1, 2))
    assert len(first) == len(TEMPLATES) == 14
    assert first == again
    assert sum(one.text != two.text for one, two in zip(first, other, strict=True)) > 10


@pytest.mark.parametrize("seed", range(3))
def test_questions_do_not_contain_their_answers(tables, seed):
    for question in questions(tables, seed):
        name = question.answer.split(",")[0]
        assert name not in question.text, question
        assert question.value is None or np.isfinite(question.value)


def test_ranked_counts_neither_baselines_nor_additional_seeds(tables):
    accuracy = {}
    for row in tables.scores.to_dict("records"):
        if (row["task"], row["subset"], row["measure"]) == ("fine", "seen", "balanced-accuracy"):
            accuracy[row["model"]] = row["value"]
    ranking = sorted((m for m in accuracy if not m.startswith("baseline/") and "@seed" not in m), key=accuracy.get)[
        ::-1
    ]
    question = script._ask(script.ranked, tables, 0, 0)
    place = ("highest", "second", "third", "fourth").index(question.text.split(" has the ")[1].split()[0])
    assert question.answer.startswith(model_title(ranking[place]))
    assert question.value == pytest.approx(100 * accuracy[ranking[place]])


def test_confused_with_counts_wrong_classes():
    predicted = ["fog"] * 5 + ["rain"] * 3 + ["snow"] * 2
    rows = pd.DataFrame({"truth": ["fog"] * 10 + ["rain"] * 4, "predicted": [*predicted, *["snow"] * 4]})
    found = script.confused_with(small(predictions=lambda model: rows), rng())
    counts = Counter(p for t, p in zip(rows["truth"], rows["predicted"], strict=True) if t == "fog" != p)
    (_, most), *_ = counts.most_common()
    assert found.answer == "Rain, 30.0%"
    assert found.value == pytest.approx(100 * most / 10)


def test_confused_with_is_unclear_where_two_classes_are_as_frequent():
    rows = pd.DataFrame({"truth": ["fog"] * 4, "predicted": ["rain", "rain", "snow", "snow"]})
    with pytest.raises(Unclear):
        script.confused_with(small(predictions=lambda model: rows), rng())


@pytest.mark.parametrize(("censored", "clear"), [("", True), ("above", False), ("below", False)])
def test_threshold_asks_only_where_there_is_one(censored, clear):
    rows = pd.DataFrame({"model": ["zoo/mae"], "transform": "fog", "threshold": [0.25], "censored": [censored]})
    asked = small(table=lambda name: rows)
    if not clear:
        with pytest.raises(Unclear):
            script.threshold(asked, rng())
        return
    found = script.threshold(asked, rng())
    assert "25%" in found.answer, "the thickness of fog is a fraction"
    assert (found.value, found.tolerance) == (25, pytest.approx(0.06 * 25, rel=0.4))


@pytest.mark.parametrize(("better", "words"), [(0.9, "yes"), (0.5, "not significantly different")])
def test_better_decides_by_photograph(better, words):
    draws = np.random.default_rng(1)
    truth = np.repeat("fog", 600)
    right = {"zoo/mae": draws.random(600) < better, "zoo/can": draws.random(600) < 0.5}
    if better == 0.5:
        right["zoo/can"] = draws.permutation(right["zoo/mae"])
    accuracy = pd.Series({model: found.mean() for model, found in right.items()})
    base = np.repeat(np.arange(200), 3)

    def predictions(model: str) -> pd.DataFrame:
        return pd.DataFrame({"truth": truth, "predicted": np.where(right[model], "fog", "rain"), "base_id": base})

    asked = SimpleNamespace(models=["zoo/mae", "zoo/can"], accuracy=accuracy, predictions=predictions)
    found = script.better(asked, rng())
    first = found.text.removeprefix("Is ").split(" significantly")[0]
    sign = 1 if first == model_title("zoo/mae") else -1
    assert found.value == pytest.approx(sign * 100 * (accuracy["zoo/mae"] - accuracy["zoo/can"]))
    assert found.answer.startswith(words if sign == 1 or words != "yes" else "no, worse")


def test_best_layer_is_the_one_that_validation_chose():
    rows = pd.DataFrame({
        "model": "zoo/mae", "task": "fine", "pooling": "mean", "layer": [1, 2, 3], "value": [0.6, 0.5, 0.4],
        "chosen": [False, True, False],
    })  # fmt: skip
    found = script.best_layer(small(table=lambda name: rows), rng())
    assert found.answer.startswith("layer 2 of 3")
    assert found.value == pytest.approx(10)


def test_script_prints_questions_and_key_separately(monkeypatch, capsys):
    printed = []
    for more in ([], ["--key"]):
        monkeypatch.setattr("sys.argv", ["questions", "--seed", "3", *more])
        script.main()
        printed.append(capsys.readouterr().out.splitlines())
    asked, key = printed
    assert len(asked) == len(key) == 14
    assert all(line.endswith(("?", ".)", "?)")) or "?" in line for line in asked)
    assert not set(asked) & set(key)
    assert sum("±" in line for line in key) >= 12


@pytest.mark.parametrize("seed", range(4))
def test_claim_has_the_result_of_its_row(tables, seed):
    found = script.claim(tables, np.random.default_rng(seed))
    (number,) = [i for i, words in enumerate(CLAIM_TEXTS, 1) if words in found.text]
    results = tables.table("claims")["result"].astype(str)
    kind = {"holds here": "Supported", "does not hold here": "Not supported", "cannot be told": "Undecided"}
    result = results.iloc[number - 1]
    assert found.answer.startswith(kind.get(result, result.capitalize()))
