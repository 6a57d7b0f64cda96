"""The place of a model among those of a run, which is only read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from probing_core import paths
from probing_core.corpora import open_corpus
from probing_core.errors import BadRun
from probing_core.measures.notation import in_percent, in_points, text_table
from probing_core.models import expand, parse
from probing_core.results.command import corpus_is_named
from probing_core.results.compare import place_among, recall_beside
from probing_core.results.ranking import BELOW, has_place, marked
from probing_core.results.run import Run, open_run
from probing_core.results.run_places import ranked_on
from probing_core.run.estimate import estimate
from probing_core.run.layout import RECIPE, slug
from probing_core.run.options import Options
from probing_core.run.progress import Progress, final_report, terminal
from probing_core.run.setup import open_same_corpus
from probing_core.run.stages import run

EXPLAINED = (
    "Difference: points of this model less the other, by the same photographs; p: paired sign flips, adjusted for the "
    "comparisons with all others."
)

NAMED = 3
"""Largest number of groups of transforms named where a model sees more, and where it sees less."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The place of a model among those of a run; it prints itself.

    Attributes:
        board: the table of `place_among`.
        best_other: the first of the others that has a place.
        groups: ``group``, ``recall``, ``recall_other`` and ``difference`` to the best other model.
        ranked: number of the user's models ranked on these test photographs so far.
        path: the run that was made.
    """

    model: str
    board: pd.DataFrame = field(repr=False)
    best_other: str
    groups: pd.DataFrame = field(repr=False)
    ranked: int
    path: Path

    @property
    def row(self) -> dict[str, Any]:
        mine = self._mine
        return {
            "model": self.model,
            "place": int(mine["place"]),
            "models": int(has_place(self.board).sum()),
            "value": float(mine["value"]),
            "low": float(mine["low"]),
            "high": float(mine["high"]),
            "best_other": self.best_other,
            "ranked": self.ranked,
            "groups": self.groups.to_dict("records"),
            "others": self._others.to_dict("records"),
        }

    @property
    def _mine(self) -> pd.Series:
        return self.board[self.board["model"] == self.model].iloc[0]

    @property
    def _others(self) -> pd.DataFrame:
        rows = self.board[self.board["model"] != self.model]
        return rows.assign(place=rows["place"].astype(object).where(has_place(rows), None))

    @property
    def _shown(self) -> pd.DataFrame:
        rows = self._others
        spans = zip(rows["difference_low"], rows["difference_high"], strict=True)
        return pd.DataFrame(
            {
                "place": rows["place"],
                "model": marked(rows),
                "score": rows["value"].map(partial(in_percent, places=1)),
                "difference": rows["difference"].map(in_points),
                "95 % interval": [f"{in_points(low)} to {in_points(high)}" for low, high in spans],
                "p": rows["p"],
            }
        )

    @property
    def _title(self) -> str:
        mine = self._mine
        return (
            f"{self.model} is at place {mine['place']} of {int(has_place(self.board).sum())}: from its embedding a "
            f"linear probe names the transformation of {in_percent(mine['value'], 1)} of the test images "
            f"(95 % interval {100 * mine['low']:.1f} to {100 * mine['high']:.1f})."
        )

    @property
    def _notes(self) -> list[str]:
        notes = []
        if (self._others["seed_of"] != "").any():
            notes.append(f"{BELOW.strip()} the model above with another seed, which has no place of its own.")
        rows = list(zip(self.groups["group"], self.groups["difference"], strict=True))
        more = [f"{group} ({in_points(gap)})" for group, gap in rows if gap > 0]
        less = [f"{group} ({in_points(gap)})" for group, gap in rows[::-1] if gap < 0]
        none = "none of the groups"
        return [
            *notes,
            f"Compared with {self.best_other} it sees more of: {', '.join(more[:NAMED]) or none}; and less of: "
            f"{', '.join(less[:NAMED]) or none}.",
            EXPLAINED,
            f"{self.ranked} of your models {'was' if self.ranked == 1 else 'were'} ranked on these test photographs so "
            f"far: the best of many is partly luck.",
        ]

    def __str__(self) -> str:
        return "\n".join((self._title, text_table(self._shown), *self._notes))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self._shown.to_html(index=False, border=0, na_rep="")
        return f"<p>{escape(self._title)}</p>{table}{'<br>'.join(map(escape, self._notes))}"


def rank(
    model: str,
    base: Path | Run | None = None,
    *,
    corpus: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> list[Ranking]:
    """Place a model among those of a run, which is only read; another call continues, or computes nothing.

    Args:
        model: as in ``probing run --models``; a pattern stands for several checkpoints.
        base: by default the reference run.
        corpus: the photographs of the base, if they have moved.
        out: folder for the new run; by default ``rank-MODEL`` among the user's runs.
        device: as in `load_embedder`.
        precision: likewise.
        progress: receives the progress; by default it is shown in the terminal.

    Returns:
        One for each model, and for each of its layers where all were asked for.

    Raises:
        ProbingError: the model, the base or its photographs cannot be used.
    """
    opened = open_run(base)
    names = tuple(parse(name).full for name in expand((model,)))
    if set(opened.scores["model"]) <= set(names):
        raise BadRun(f"The run '{opened.path}' has no other model with scores to rank '{model}' against.")
    out = out or paths.runs_dir() / f"rank-{slug(parse(model).full)}"
    progress = terminal(out) if progress is None else progress
    asked = Options(corpus=corpus, models=names, base=opened.path, device=device, precision=precision)
    if not (out / RECIPE).is_file():
        _require_photographs(opened, corpus)  # its message is the best if they are not here
        found = estimate(asked, out, progress=progress)
        progress.note(f"{found}\nWhat is complete stays if it is stopped, and the same command goes on.")
    with final_report(progress):
        run(out, asked, progress=progress)
    made = Run.open(out)
    ranked = ranked_on(opened.path, out)
    rankings = []
    for name in made.models.loc[made.models["request"].isin(names), "name"]:
        board = place_among(made, name)
        best = str(board.loc[has_place(board) & (board["model"] != name), "model"].iloc[0])
        rankings.append(Ranking(name, board, best, recall_beside(made, name, best), ranked, out))
    return rankings


def _require_photographs(base: Run, name: str | None) -> None:
    """Raise `BadRun` if the photographs of a run, a corpus ``name`` if it has moved, are not here or have changed."""
    if name is None and not corpus_is_named(base.recipe):
        raise BadRun(
            f"The run '{base.path}' was made over {base.recipe.corpus}, which do not ship; name a run of yours with "
            f"--base, or the place where its photographs lie with --corpus."
        )
    corpus = open_corpus(name) if name else open_same_corpus(base.recipe)
    if corpus.fingerprint != base.recipe.fingerprint:
        raise BadRun(
            f"'{corpus.name}' is not the corpus of the run '{base.path}'; name the one that it was with --corpus."
        )
