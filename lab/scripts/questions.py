"""Questions for user tests of the dashboard: ``python -m lab.scripts.questions --seed N [--run DIR] [--key]``.

The command draws models, transformations and groups for 14 question templates, and prints the questions. With
``--key``, it prints the answers with tolerances instead. Testers receive the questions and the URL of a dashboard, and
count each page view, click, hover and scroll as one interaction. The answers are computed from the tables of the run
without any code of the dashboard, so they also test the numbers on the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from lab.devtools.commands import parser_of
from probing_core.compute.task_names import ALL
from probing_core.errors import BadRun
from probing_core.measures.notation import model_title, transform_title
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.results.claim_sentences import claim_in_words, result_in_words
from probing_core.run.layout import table_path

T = TypeVar("T")

RESAMPLES = 2000
TRIES = 200
"""Maximum number of draws for a question with a clear answer."""

CLEAR_Z, UNCLEAR_Z = 5.0, 1.0
"""Differences in standard errors above which two models clearly differ, and below which they clearly do not."""

CLEAR_LEAD = 0.02
"""Minimum difference, as a fraction, between the largest and the second largest value in a question for the largest."""

FALSE_POSITIVE_RATES = (0.01, 0.001)


@dataclass(frozen=True)
class Question:
    """A question with its answer.

    Attributes:
        text: text of the question.
        answer: text of the answer, with units.
        value: number in the answer, if any.
        tolerance: maximum absolute difference from ``value`` of a correct answer.
    """

    text: str
    answer: str
    value: float | None = None
    tolerance: float = 0.0

    @property
    def key(self) -> str:
        """Format the answer with its tolerance: ``CLIP (zoo), 65.8% (± 0.2)``."""
        return self.answer if self.value is None else f"{self.answer} (± {self.tolerance:g})"


class Unclear(Exception):
    """Raised if a question has no clear answer, so that another one must be drawn."""


class Tables:
    """Tables of a run from which questions are answered.

    Attributes:
        models: ranked models, without baselines and additional seeds.
        transforms: transformations of the probes, without identity.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.scores = run.scores
        names = run.models["name"].astype(str)
        self.models = [name for name in names if not name.startswith("baseline/") and "@seed=" not in name]
        table = run.transforms
        listed = table[(table["group"] != "identity") & ~table["transform"].isin(run.far)]
        self.transforms = [str(name) for name in listed["transform"]]
        if not self.models:
            raise BadRun(f"The run '{run.path}' contains no encoders.")

    def table(self, name: str) -> pd.DataFrame:
        rows = self.run.table(table_path(name))
        if rows.empty:
            raise BadRun(f"The run '{self.run.path}' has no table '{name}', which is required for a question.")
        return rows

    def predictions(self, model: str) -> pd.DataFrame:
        return self.run.predictions(model, "fine", ["base_id"])

    def score(self, model: str, task: str, subset: str, measure: str) -> float:
        """Return a value in the table of scores."""
        s = self.scores
        rows = s[(s["model"] == model) & (s["task"] == task) & (s["subset"] == subset) & (s["measure"] == measure)]
        if len(rows) != 1:
            raise Unclear
        return float(rows["value"].iloc[0])

    def over_folds(self, model: str, subset: str) -> float:
        """Return the group recall, averaged over folds."""
        folds = [task for task in self.scores["task"].unique() if str(task).startswith("group-")]
        return float(np.mean([self.score(model, task, subset, "group-hit-rate") for task in folds]))

    @cached_property
    def accuracy(self) -> pd.Series:
        """Transformation accuracy of each model, best model first."""
        values = {model: self.score(model, "fine", "seen", "balanced-accuracy") for model in self.models}
        return pd.Series(values).sort_values(ascending=False)


Template = Callable[[Tables, np.random.Generator], Question]


def ranked(tables: Tables, rng: np.random.Generator) -> Question:
    place = int(rng.integers(min(4, len(tables.accuracy))))
    values = tables.accuracy
    neighbors = values.drop(values.index[place])
    if len(neighbors) and np.abs(neighbors - values.iloc[place]).min() < 0.001:
        raise Unclear
    ordinal = ("highest", "second highest", "third highest", "fourth highest")[place]
    return percentage(
        f"Which model other than a baseline has the {ordinal} accuracy at classifying transformations, and how high is "
        "it? (Intermediate layers count, additional seeds do not.)",
        model_title(values.index[place]),
        values.iloc[place],
        0.2,
    )


def better(tables: Tables, rng: np.random.Generator) -> Question:
    first, second = draw(tables.models, rng, 2)
    by_photograph = pd.DataFrame({model: _correct_by_photograph(tables, model) for model in (first, second)}).dropna()
    difference = tables.accuracy[first] - tables.accuracy[second]
    gaps = (by_photograph[first] - by_photograph[second]).to_numpy()
    drawn = rng.multinomial(len(gaps), np.full(len(gaps), 1 / len(gaps)), RESAMPLES) @ gaps / len(gaps)
    z = abs(difference) / max(float(drawn.std()), 1e-12)
    if UNCLEAR_Z < z < CLEAR_Z:
        raise Unclear
    points = 100 * float(difference)
    return Question(
        f"Is {model_title(first)} significantly better than {model_title(second)} at classifying transformations? "
        "By how many percentage points do they differ?",
        f"{_verdict(points, z)}, {points:+.1f} percentage points",
        points,
        0.2,
    )


def _verdict(points: float, z: float) -> str:
    if z <= UNCLEAR_Z:
        return "not significantly different"
    return "yes" if points > 0 else "no, worse"


def _correct_by_photograph(tables: Tables, model: str) -> pd.Series:
    rows = tables.predictions(model)
    correct = rows["truth"].astype(str) == rows["predicted"].astype(str)
    return correct.groupby(rows["base_id"].astype(str)).mean()


def confused_with(tables: Tables, rng: np.random.Generator) -> Question:
    model, transform = draw_one(tables.models, rng), draw_one(tables.transforms, rng)
    rows = tables.predictions(model)
    predicted = rows.loc[rows["truth"].astype(str) == transform, "predicted"].astype(str)
    confusions = predicted.value_counts().drop(transform, errors="ignore") / len(predicted)
    name, value = clear_extreme(confusions)
    return percentage(
        f"Which wrong class does {model_title(model)} predict most often for {transform_title(transform)}, "
        "and for what percentage of its samples?",
        transform_title(name),
        value,
        0.6,
    )


def threshold(tables: Tables, rng: np.random.Generator) -> Question:
    from probing_core.transforms import resolve

    model, transform = draw_one(tables.models, rng), draw_one(tables.transforms, rng)
    rows = tables.table("thresholds")
    rows = rows[(rows["model"] == model) & (rows["transform"] == transform) & (rows["censored"] == "")]
    if len(rows) != 1:
        raise Unclear
    entry = resolve(transform)
    is_percent = entry.unit.startswith("fraction")
    value = float(rows["threshold"].iloc[0]) * (100 if is_percent else 1)
    unit = "%" if is_percent else f" {entry.unit}".replace(" power", "")
    return Question(
        f"At what strength does {model_title(model)} detect {transform_title(transform)}?",
        f"{entry.parameter} {value:.3g}{unit}",
        value,
        float(f"{0.06 * abs(value):.1g}"),
    )


def best_layer(tables: Tables, rng: np.random.Generator) -> Question:
    rows = tables.table("layers")
    rows = rows[(rows["task"] == "fine") & rows["model"].isin(tables.models)]
    rows = rows[rows.groupby("model")["pooling"].transform("nunique") == 1]
    model = draw_one(sorted(rows["model"].unique()), rng)
    layers = rows[rows["model"] == model].set_index("layer")
    chosen, last = int(layers.index[layers["chosen"]][0]), int(layers.index.max())
    points = 100 * (layers.loc[chosen, "value"] - layers.loc[last, "value"])
    return Question(
        f"Which layer of {model_title(model)} was chosen on validation data for predicting transformations, and by how "
        f"many percentage points does its accuracy differ from the last layer's?",
        f"layer {chosen} of {last}, {points:+.1f} percentage points",
        points,
        0.2,
    )


def copies(tables: Tables, rng: np.random.Generator) -> Question:
    rate = float(rng.choice(FALSE_POSITIVE_RATES))
    rows = tables.table("duplicates")
    rows = rows[np.isclose(rows["unrelated"], rate) & (rows["cosine"] == "raw") & (rows["transform"] == ALL)]
    model = draw_one(sorted(set(rows["model"]) & set(tables.models)), rng)
    return percentage(
        f"What percentage of transformed copies does {model_title(model)} find at a false-positive rate of "
        f"{100 * rate:g}%?",
        "",
        rows.loc[rows["model"] == model, "value"].mean(),
        0.6,
    )


def original(tables: Tables, rng: np.random.Generator) -> Question:
    model, transform = draw_one(tables.models, rng), draw_one(tables.transforms, rng)
    rows = tables.table("retrieval")
    rows = rows[(rows["model"] == model) & (rows["transform"] == transform) & (rows["k"] == 1)]
    rows = rows[rows["strength"].isna()]
    if len(rows) != 1:
        raise Unclear
    return percentage(
        f"With {model_title(model)}, for what percentage of images transformed by {transform_title(transform)} is the "
        "original the nearest image?",
        "",
        float(rows["value"].iloc[0]),
        0.6,
    )


def unseen_styles(tables: Tables, rng: np.random.Generator) -> Question:
    model = draw_one(tables.models, rng)
    return percentage(
        f"What percentage of images in styles that no probe has seen does {model_title(model)} classify as style?",
        "",
        tables.over_folds(model, "far"),
        0.6,
    )


def unseen_transformations(tables: Tables, rng: np.random.Generator) -> Question:
    model = draw_one(tables.models, rng)
    return percentage(
        f"How often does {model_title(model)} predict the right group of transformations that its probe has not seen?",
        "",
        tables.over_folds(model, "unseen"),
        0.6,
    )


def content(tables: Tables, rng: np.random.Generator) -> Question:
    model = draw_one(tables.models, rng)
    return percentage(
        f"How accurately does {model_title(model)} predict the content of clean images?",
        "",
        tables.score(model, "content", "seen", "balanced-accuracy"),
        0.6,
    )


def hardest_group(tables: Tables, rng: np.random.Generator) -> Question:
    model = draw_one(tables.models, rng)
    s = tables.scores
    rows = s[(s["model"] == model) & (s["task"] == "fine") & (s["measure"] == "recall")]
    rows = rows[rows["subset"].str.startswith("group:") & (rows["subset"] != "group:identity")]
    values = rows.set_index(rows["subset"].str.removeprefix("group:"))["value"]
    name, value = clear_extreme(-values)
    return percentage(
        f"Which group of transformations does {model_title(model)} classify worst, and with what accuracy? "
        "(Clean images do not count.)",
        name,
        -value,
        0.6,
    )


def shift(tables: Tables, rng: np.random.Generator) -> Question:
    model, transform = draw_one(tables.models, rng), draw_one(tables.transforms, rng)
    rows = tables.table("geometry")
    rows = rows[(rows["model"] == model) & (rows["transform"] == transform)]
    if len(rows) != 1:
        raise Unclear
    value = float(rows["value"].iloc[0])
    return Question(
        f"How far does {transform_title(transform)} shift the embeddings of {model_title(model)}, "
        "where 1 is the distance between two photographs?",
        f"{value:.2f}",
        value,
        0.02,
    )


def claim(tables: Tables, rng: np.random.Generator) -> Question:
    rows = tables.table("claims")
    row = rows[rows["set"] == rows["set"].iloc[0]].iloc[int(rng.integers(rows["claim"].nunique()))]
    return Question(f"Is the claim '{claim_in_words(row)}' supported here?", result_in_words(row))


def counted(tables: Tables, rng: np.random.Generator) -> Question:
    images = tables.run.images
    split, use = draw_one([("train", "are probes trained on"), ("test", "are scores measured on")], rng)
    number = images.loc[images["used"] & (images["split"] == split), "base_id"].nunique()
    return Question(f"How many photographs {use}?", f"{number} photographs", number, 0)


TEMPLATES: tuple[Template, ...] = (
    ranked,
    better,
    confused_with,
    threshold,
    best_layer,
    copies,
    original,
    unseen_styles,
    unseen_transformations,
    content,
    hardest_group,
    shift,
    claim,
    counted,
)


def draw(names: Sequence[str], rng: np.random.Generator, number: int) -> list[str]:
    """Draw ``number`` distinct names."""
    return [names[int(i)] for i in rng.choice(len(names), number, replace=False)]


def draw_one(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def percentage(text: str, name: str, fraction: float, tolerance: float) -> Question:
    """Return a question whose answer is a percentage, optionally preceded by ``name``."""
    answer = f"{100 * fraction:.1f}%"
    return Question(text, f"{name}, {answer}" if name else answer, 100 * float(fraction), tolerance)


def clear_extreme(values: pd.Series) -> tuple[str, float]:
    """Return the name and value of the largest fraction in ``values``.

    Raises:
        Unclear: the second largest value is less than `CLEAR_LEAD` below it, or does not exist.
    """
    ordered = values.sort_values(ascending=False)
    if ordered.empty or (len(ordered) > 1 and ordered.iloc[0] - ordered.iloc[1] < CLEAR_LEAD):
        raise Unclear
    return str(ordered.index[0]), float(ordered.iloc[0])


def questions(tables: Tables, seed: int) -> list[Question]:
    """Return one question for each template. The result is deterministic for given tables and seed.

    Raises:
        BadRun: a template has no clear answer after `TRIES` draws.
    """
    return [_ask(template, tables, seed, number) for number, template in enumerate(TEMPLATES)]


def _ask(template: Template, tables: Tables, seed: int, number: int) -> Question:
    for attempt in range(TRIES):
        try:
            return template(tables, np.random.default_rng([seed, number, attempt]))
        except Unclear:
            continue
    raise BadRun(f"The run '{tables.run.path}' has no clear answer for the template '{template.__name__}'.")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--run", type=Path, default=reference_run(), help="run (default: the reference run)")
    parser.add_argument("--key", action="store_true", help="print the answers instead of the questions")
    options = parser.parse_args()
    for number, question in enumerate(questions(Tables(Run.open(options.run)), options.seed), 1):
        print(f"{number:2}. {question.key if options.key else question.text}")


if __name__ == "__main__":
    main()
