"""What is refused: a call, the class of its error, and a word that a reader needs to find what is wrong."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import probing_core
from probing_core import cli
from probing_core.errors import BadArray, BadConfig, BadImage, BadRun, ProbingError, UnknownName
from probing_core.measures.classification import detection_threshold, fit_temperature
from probing_core.measures.embedding_space import shift, variance_parts
from probing_core.measures.neighbors import ranks
from probing_core.measures.paired_tests import sign_flips
from probing_core.measures.statistics import mean
from probing_core.paths import user_path
from probing_core.probes.linear import LinearProbe, fit, fit_discriminant
from probing_core.results import Run
from probing_core.results.compare import place_among
from probing_core.run.recipe import Recipe

RECIPE = Recipe(corpus="photos", fingerprint="f", transforms=("identity", "fog"), models=("baseline/pixels",))
PICTURE = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
LEVELS, HITS = np.linspace(0.1, 1, 8), np.ones((40, 8), bool)
X, Y = np.eye(6, 3), np.arange(6) % 3

DISCRIMINANT = (
    (np.zeros((4, 2)), np.array([0, 1, 0, 0]), "each at least once"),
    (np.zeros((4, 2)), np.array([0, 1, 2]), "N class indices"),
    (np.full((6, 2), np.nan), Y, "not finite"),
    (np.ones((6, 2)), Y, "are equal"),
)


@dataclass(frozen=True)
class Runs:
    """The made run, and one that has embeddings but no maps."""

    made: Path
    trained: Path

    @property
    def of_made(self) -> Run:
        return Run.open(self.made)

    @property
    def of_trained(self) -> Run:
        return Run.open(self.trained)


@pytest.fixture
def runs(made_run, trained_run) -> Runs:
    return Runs(made_run, trained_run)


def without(X: np.ndarray, row: int) -> np.ndarray:
    return np.where(np.arange(len(X))[:, None] == row, np.nan, X)


def learned(X: np.ndarray, y: np.ndarray) -> Any:
    return fit(X, y, classes=("a", "b", "c"), validation=(np.eye(6, 3), np.arange(6) % 3))


CASES: list[tuple[Callable[[], object], type[ProbingError], str]] = [
    (lambda: probing_core.transform(PICTURE, "gaussian-blur", 99), BadConfig, "99"),
    (lambda: probing_core.transform(PICTURE, "fogg"), UnknownName, "'fog'"),
    (lambda: probing_core.transform(PICTURE / 255, "fog"), BadImage, "uint8"),
    (lambda: probing_core.transform(PICTURE[:4], "fog"), BadImage, "60 x 4"),
    (lambda: probing_core.samples("photos", labels=["a"]), BadConfig, "labels"),
    (lambda: probing_core.samples("photos", transforms="no-such"), ProbingError, "no-such"),
    (lambda: user_path("~nosuch/x"), BadConfig, "path"),
    (lambda: user_path(300 * "x"), BadConfig, "path"),
    (lambda: ranks(np.ones((3, 2)), np.ones((2, 2)), [], np.arange(3), np.arange(2)), BadArray, "original"),
    (lambda: variance_parts(np.ones((2, 3, 1, 4))), BadArray, "three photographs"),
    (lambda: sign_flips(mean(np.zeros(5), np.arange(5)), mean(np.zeros(6), np.arange(6))), BadArray, "photographs"),
    (lambda: detection_threshold(LEVELS[::-1], HITS, HITS[:, 0]), BadArray, "levels"),
    (lambda: detection_threshold(LEVELS[:2], HITS[:, :2], HITS[:, 0]), BadArray, "levels"),
    (lambda: detection_threshold(LEVELS[:5], HITS, HITS[:, 0]), BadArray, "levels"),
    (lambda: detection_threshold(LEVELS, HITS, HITS[:-1, 0]), BadArray, "images"),
    (lambda: fit_temperature(np.zeros((0, 3)), np.zeros(0, int)), BadArray, "held-out"),
    (lambda: shift(np.ones((5, 3)), np.ones((4, 3))), BadArray, "(4, 3)"),
    (lambda: learned(X, Y[:-1]), BadArray, "(5,)"),
    (lambda: learned(X, Y + 1), BadArray, "3"),
    (lambda: learned(X, Y.astype(float)), BadArray, "indices from 0"),
    (lambda: learned(X[:0], Y[:0]), BadArray, "0 rows"),
    (lambda: learned(X[0], Y), BadArray, "(3,)"),
    (lambda: learned(without(X, 4), Y), BadArray, "row 4"),
    *(
        (lambda d=data: LinearProbe.from_bytes(d), BadRun, "linear probe")
        for data in (b"", b"junk", b"\x10" + bytes(30))
    ),
    *((lambda X=X, y=y: fit_discriminant(X, y, classes="abc"), BadArray, word) for X, y, word in DISCRIMINANT),
    (lambda: replace(RECIPE, view=16), BadConfig, "16"),
    (lambda: replace(RECIPE, limit=0), BadConfig, "0"),
    (lambda: replace(RECIPE, repetitions=0), BadConfig, "0"),
    (lambda: replace(RECIPE, seed=-1), BadConfig, "-1"),
    (lambda: replace(RECIPE, transforms=("fog",)), BadConfig, "identity"),
    (lambda: replace(RECIPE, transforms=("identity", "fog", "fog")), BadConfig, "Duplicates: fog"),
    (lambda: replace(RECIPE, models=("a", "a")), BadConfig, "Duplicates: a"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "colour": 1}), BadConfig, "colour"),
    (lambda: Recipe.from_toml({"format": 3, "fingerprint": "f"}), BadConfig, "corpus"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "corpus": 5}), BadConfig, "'corpus'"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "models": "zoo/mae"}), BadConfig, "'models'"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "models": [1]}), BadConfig, "'models'"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "limit": float("nan")}), BadConfig, "'limit'"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "view": True}), BadConfig, "'view'"),
    (lambda: Recipe.from_toml({**RECIPE.to_toml(), "calibrate_on": {"a": "b"}}), BadConfig, "'calibrate_on'"),
]
OF_RUNS: list[tuple[Callable[[Runs], object], type[ProbingError], str]] = [
    (lambda r: r.of_made.explore(["zoo/none"]), UnknownName, "zoo/none"),
    (lambda r: r.of_trained.explore(), BadRun, "map"),
    (lambda r: probing_core.open().data("zoo/mae"), BadRun, "no embeddings"),
    (lambda r: r.of_trained.data("zoo/none"), UnknownName, "baseline/handcrafted"),
    (lambda r: r.of_trained.data("baseline/handcrafted", "coarse"), UnknownName, "coarse"),
    (lambda r: r.of_trained.data("baseline/handcrafted", split="dev"), BadRun, "'dev'"),
    (lambda r: place_among(r.of_made, "zoo/none"), UnknownName, "zoo/mae"),
    (lambda r: probing_core.compare("zoo/mae", "zoo/none", r.made), UnknownName, "zoo/none"),
    (lambda r: probing_core.compare("zoo/mae", r.made), BadConfig, "two runs"),
    (lambda r: probing_core.compare(r.made, r.made, r.made), BadConfig, "two runs"),
    (lambda r: probing_core.compare(r.made, r.trained), BadRun, "photographs"),
]


def refused(call: Callable[[], object], error: type[ProbingError], word: str) -> None:
    with pytest.raises(error) as caught:
        call()
    said = str(caught.value)
    assert word in said
    assert said[-1] in ".?"
    assert "\n" not in said


@pytest.mark.parametrize(("call", "error", "word"), CASES)
def test_what_cannot_be_is_refused_in_one_sentence(call, error, word):
    refused(call, error, word)


@pytest.mark.parametrize(("call", "error", "word"), OF_RUNS)
def test_what_a_run_lacks_is_told_in_one_sentence(call, error, word, runs):
    refused(lambda: call(runs), error, word)


def test_hint_of_an_error_is_only_printed_by_the_command_line(capsys, tmp_path):
    with pytest.raises(BadRun) as raised:
        probing_core.open(tmp_path)
    assert "probing run" in raised.value.hint
    assert "probing run" not in str(raised.value)
    assert pickle.loads(pickle.dumps(raised.value)).hint == raised.value.hint
    assert cli.main(["compare", "zoo/mae", "zoo/can", "--run", str(tmp_path)]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint == f"hint: {raised.value.hint}"


def test_messages_have_no_commands_and_no_markup():
    """Hints may have both: the dashboard shows messages alone."""
    places = [
        f"{path.name}:{text.lineno}: {text.value}"
        for path in Path(probing_core.__file__).parent.rglob("*.py")
        if "cli" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        for argument in node.exc.args
        for text in ast.walk(argument)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        if "`" in text.value or "pip install" in text.value or "probing run" in text.value
    ]
    assert not places
