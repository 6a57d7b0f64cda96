"""Recorded answers and map positions of the example images, which are shown before any model is loaded.

``example-answers.json`` is part of the package and is written by `lab.scripts.example_answers`. If the run or an
example has changed since then, they are computed when they are requested.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dashboard.data import cache
from probing_core.answers.answer import Answer, Evidence, Posterior
from probing_core.answers.crops import Prediction
from probing_core.paths import data_dir
from probing_core.results import Run
from probing_core.run.files import read_json

FILE = "example-answers.json"

Recorded = Mapping[tuple[str, str], Answer]
"""Model and digest of the crops -> answer, whose prediction has no embedding."""


Places = Mapping[tuple[str, str], tuple[float, float]]
"""Model and digest of the crops -> position (x, y) as returned by `dashboard.data.own_picture.place_of`."""


def recorded(run: Run) -> Recorded:
    """Return the recorded answers of ``run``. There are none for other runs than the reference run."""
    return _content(run)[0]


def places(run: Run) -> Places:
    """Return the recorded positions on the maps of ``run``. There are none for other runs than the reference run."""
    return _content(run)[1]


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=4, show_spinner=False)
def _content(run: Run) -> tuple[Recorded, Places]:
    path = data_dir() / FILE
    content: dict[str, Any] = read_json(path) if path.is_file() else {"run": ""}
    if content["run"] != run.digest:
        return {}, {}
    answers = {(row["prediction"]["model"], row["crops"]): _answer(row) for row in content["answers"]}
    return answers, {(row["model"], row["crops"]): (row["x"], row["y"]) for row in content["places"]}


def write(path: Path, run: Run, answers: Iterable[tuple[str, Answer]], places: Places) -> None:
    """Record the answers of ``run`` and the positions on its maps.

    Args:
        path: file to write.
        run: run whose models gave the answers.
        answers: pairs of the digest of the crops and an answer.
        places: see `places`.
    """
    of_answers = [_row(crops, answer) for crops, answer in answers]
    of_places = [{"model": model, "crops": crops, "x": x, "y": y} for (model, crops), (x, y) in places.items()]
    # One line per answer keeps differences readable.
    lines, more = (",\n".join(map(json.dumps, rows)) for rows in (of_answers, of_places))
    content = f'{{"run": {json.dumps(run.digest)}, "answers": [\n{lines}\n], "places": [\n{more}\n]}}\n'
    path.write_text(content, encoding="utf-8")


def _row(crops: str, answer: Answer) -> dict[str, Any]:
    prediction = {
        name: np.vectorize(_rounded)(value).tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(answer.prediction).items()
        if name != "embedding"
    }
    return {
        "crops": crops,
        "score": answer.score,
        "posterior": answer.posterior and asdict(answer.posterior),
        "evidence": answer.evidence and asdict(answer.evidence),
        "no_color": answer.no_color,
        "prediction": prediction,
    }


def _rounded(probability: float) -> float:
    return float(f"{probability:.7g}")


def _answer(row: Mapping[str, Any]) -> Answer:
    values = row["prediction"]
    arrays = {name: np.array(values[name]) for name in ("probabilities", "crop_probabilities")}
    names = {name: tuple(values[name]) for name in ("classes", "groups")}
    return Answer(
        Prediction(**(values | arrays | names), embedding=np.empty(0, np.float32)),
        row["score"],
        row["posterior"] and Posterior(**row["posterior"]),
        row["evidence"] and Evidence(**row["evidence"]),
        row["no_color"],
    )
