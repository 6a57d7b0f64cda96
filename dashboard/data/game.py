"""The game "You vs. the models": its images, the answers of the models, and the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dashboard.data import cache
from dashboard.text import strength_in_words
from probing_core.answers.answer import FOUND, INCONCLUSIVE, answer_word, probability_edited
from probing_core.api.model_answers import live_posterior, tested_scores
from probing_core.measures.statistics import with_place
from probing_core.results import Run

ROUNDS = 10
GAMES = 10**6
"""Number of different games. The URL contains the number of the game."""

YOU = "you"


def players(run: Run) -> list[str]:
    """Return the models of ``run`` that can play.

    These models have stored predictions for the test samples, so no model is loaded. Additional seeds and models
    without a calibrated probability of an edit are omitted.
    """
    return [model for model in with_place(run.models["name"]) if _plays(run, model)]


def first_player(run: Run) -> str:
    """Return the first model in `players`, or an empty string. Unlike `players`, this does not check all models."""
    return next((model for model in with_place(run.models["name"]) if _plays(run, model)), "")


def _plays(run: Run, model: str) -> bool:
    tested = cache.predictions(run, model, "fine")
    return not tested.empty and ("altered" not in tested or not cache.computed(run, live_posterior, model).unavailable)


def groups_of(run: Run) -> dict[str, str]:
    """Return the group of each class of the probes, including ``identity``, in the order of the bank."""
    table = run.transforms[~run.transforms["transform"].isin(run.far)]
    return dict(zip(table["transform"], table["group"], strict=True))


def draw_samples(run: Run, game: int) -> list[int]:
    """Draw the samples of a game: one test sample for each of `ROUNDS` random groups.

    Groups are drawn with equal probability, so that every constant answer has the same expected score.
    """
    tested = cache.predictions(run, cache.computed(run, first_player), "fine")
    by_group = {
        group: tested[tested["group"] == group]
        for group in dict.fromkeys(groups_of(run).values())
        if (tested["group"] == group).any()
    }
    rng = np.random.default_rng(game)
    samples = []
    for group in rng.choice(list(by_group), ROUNDS):
        rows = by_group[group]
        transform = rng.choice(sorted(rows["transform"].unique()))
        samples.append(int(rng.choice(np.sort(rows.loc[rows["transform"] == transform, "sample"].to_numpy()))))
    return samples


def answers(run: Run, samples: Sequence[int]) -> pd.DataFrame:
    """Return the answer of every model for each sample.

    The probes were not trained on the photographs of the samples. Answers are computed as for uploads. For precomputed
    embeddings, which cannot embed new images, the answer is the predicted class with its probability.

    Args:
        samples: numbers of the samples, one for each round.

    Returns:
        Table with the columns ``round`` (from 0), ``sample``, ``player`` (model), ``answer`` (the most probable
        transformation if the image is edited or probably edited, an empty string if the answer is inconclusive, and
        otherwise ``identity``), ``probability`` (of a clean image if the answer is ``identity``, otherwise of an edit),
        ``group`` (of the answer) and ``right`` (whether the group is correct).
    """
    groups = groups_of(run)
    parts = []
    for model in cache.computed(run, players):
        tested = cache.predictions(run, model, "fine")
        rows = tested[tested["sample"].isin(samples)].set_index("sample").loc[list(samples)].reset_index()
        answer, probability = rows["predicted"].astype(str), rows["p_predicted"]
        if "altered" in rows:  # missing for precomputed embeddings, which cannot embed new images
            answer, probability = _live_answers(run, model, rows)
        model_answers = pd.DataFrame({"round": rows.index, "sample": samples, "player": model, "answer": answer})
        group = answer.map(groups)
        parts.append(
            model_answers.assign(probability=probability, group=group, right=group == rows["group"].astype(str))
        )
    return pd.concat(parts, ignore_index=True)


def _live_answers(run: Run, model: str, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    scores = tested_scores(run, model, rows["altered"])
    p = pd.Series(probability_edited(scores, cache.computed(run, live_posterior, model)), rows.index)
    words = p.map(answer_word)
    is_edited, is_open = words.isin(FOUND), words == INCONCLUSIVE
    answer = rows["named"].astype(str).where(is_edited, "identity").mask(is_open, "")
    return answer, p.where(is_edited | is_open, 1 - p)


def standing(model_answers: pd.DataFrame, guesses: Mapping[int, str], truths: Mapping[int, str]) -> pd.DataFrame:
    """Return the scores of the visitor and the models in the rounds played so far, best first.

    The visitor is listed before models with the same score.

    Args:
        model_answers: table of `answers`.
        guesses: round -> group that the visitor selected.
        truths: round -> group of the transformation.

    Returns:
        Table with the columns ``player`` and ``right`` (number of correct answers).
    """
    player_score = sum(guess == truths[number] for number, guess in guesses.items())
    model_scores = (
        model_answers[model_answers["round"].isin(list(guesses))].groupby("player", sort=False)["right"].sum()
    )
    table = pd.DataFrame({"player": [YOU, *model_scores.index], "right": [player_score, *model_scores.astype(int)]})
    return table.sort_values("right", ascending=False, kind="stable", ignore_index=True)


def alteration_of(run: Run, sample: int) -> tuple[str, str, str]:
    """Return the transformation, the group and the formatted strength of a sample. The strength may be empty."""
    row = run.sample_rows(np.array([sample])).iloc[0]
    name = str(row["transform"])
    return name, str(row["group"]), strength_in_words(name, row["strength"])
