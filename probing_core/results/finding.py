"""What a run found, in one sentence: which model knows best what was done to a picture, and how certain that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from probing_core.measures.notation import in_percent

MOST_NAMED = 3
"""Models that the sentence names beside the first; of more it gives the number."""


def finding(board: pd.DataFrame, classes: int, shown: Callable[[str], str] = str) -> str:
    """Return one sentence about the fine task, whose words hold where nothing is decided, too.

    Args:
        board: of `leaderboard`, without baselines unless there is nothing else; empty: nothing was scored.
        classes: transformations that a probe chooses from, identity among them.
        shown: how to write the name of a model.
    """
    if board.empty:
        return "No model of this run has been scored yet."
    best, level = board.iloc[0], list(board.loc[board.index[1:], "model"][~board["apart"].iloc[1:].astype(bool)])
    name, count = shown(str(best["model"])), len(board)
    chance = f"where guessing gives {in_percent(best['chance'], 1)}"
    score = f"{in_percent(best['value'], 1)} of the test images ({_interval(best)}), {chance}"
    naming = f"names which of {classes - 1} transformations was applied, if any, in {score}"
    if not best["low"] > best["chance"]:
        among = f" of {name}" if count == 1 else f" of {name}, the first of {count} models,"
        return f"No knowledge of how a picture was changed is established: from the embedding{among} a probe {naming}."
    if count == 1:
        return f"From the embedding of {name} a probe {naming}."
    if len(level) == count - 1:
        return (
            f"Which of {count} models knows most about how a picture was changed is not decided: from the embedding "
            f"of {name}, the first of them, a probe {naming}."
        )
    beside = f" ({_named(level, count, shown)} not distinguished from it)" if level else ""
    return (
        f"Of {count} models, {name} knows most about how a picture was changed{beside}: from its embedding a probe "
        f"{naming}."
    )


def _interval(row: pd.Series) -> str:
    if not np.isfinite(row["low"]):
        return "no interval: too few photographs"
    return f"95 % interval {100 * row['low']:.1f} to {100 * row['high']:.1f}"


def _named(level: Sequence[str], count: int, shown: Callable[[str], str]) -> str:
    if len(level) > MOST_NAMED:
        return f"{len(level)} of the {count - 1} others are"
    return f"{' and '.join(', '.join(map(shown, level)).rsplit(', ', 1))} {'is' if len(level) == 1 else 'are'}"
