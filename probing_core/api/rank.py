"""The place of a model among those of a run, which is only read, and a quick look without the tested photographs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core import paths
from probing_core.api.score import score
from probing_core.compute.samples import has_splits
from probing_core.corpora import assign_splits, open_corpus
from probing_core.corpora.base import Corpus
from probing_core.errors import BadConfig, BadRun
from probing_core.images import Image
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
from probing_core.run.progress import SILENT, Progress, final_report, terminal
from probing_core.run.setup import open_same_corpus
from probing_core.run.stages import run

EXPLAINED = (
    "Difference: points of this model less the other, by the same photographs; p: paired sign flips, corrected by Holm "
    "over the others."
)

NAMED = 3
"""Largest number of groups of transforms named where a model sees more, and where it sees less."""

QUICK_PHOTOGRAPHS = 300

YARDSTICKS = ("timm:tf_efficientnet_lite0", "baseline/random-vit", "baseline/handcrafted")
"""Models that `quick_board` embeds again for comparison; they take minutes."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The place of a model among those of a run; it prints itself.

    Attributes:
        board: the table of `place_among`.
        groups: ``group``, ``recall``, ``recall_other`` and ``difference`` to the best other model; empty for a quick
            look.
        ranked: number of the user's models ranked on these test photographs so far; 0 for a quick look.
        path: the run that was made; None for a quick look.
    """

    model: str
    board: pd.DataFrame = field(repr=False)
    groups: pd.DataFrame = field(repr=False)
    ranked: int = 0
    path: Path | None = None

    @property
    def best_other(self) -> str:
        others = self._others
        return str(others.loc[has_place(others), "model"].iloc[0])

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
            f"linear probe names the transformation of {in_percent(mine['value'], 1)} of the "
            f"{'test' if self.path else 'held-out'} images (95 % interval {100 * mine['low']:.1f} to "
            f"{100 * mine['high']:.1f})."
        )

    @property
    def _notes(self) -> list[str]:
        notes = []
        if (self._others["seed_of"] != "").any():
            notes.append(f"{BELOW.strip()} the model above with another seed, which has no place of its own.")
        if len(self.groups):
            rows = list(zip(self.groups["group"], self.groups["difference"], strict=True))
            more = [f"{group} ({in_points(gap)})" for group, gap in rows if gap > 0]
            less = [f"{group} ({in_points(gap)})" for group, gap in rows[::-1] if gap < 0]
            none = "none of the groups"
            notes.append(
                f"Compared with {self.best_other} it sees more of: {', '.join(more[:NAMED]) or none}; and less of: "
                f"{', '.join(less[:NAMED]) or none}."
            )
        if self.path is None:
            notes.append(
                f"Quick: {QUICK_PHOTOGRAPHS} photographs at most. Probes learned from those of train and were tested "
                f"on those of val; no test photograph was looked at. The others were embedded here, too; without "
                f"--quick, the model is placed among all that ship."
            )
        notes.append(EXPLAINED)
        if self.path is not None:
            notes.append(
                f"{self.ranked} of your models {'was' if self.ranked == 1 else 'were'} ranked on these test "
                f"photographs so far: the best of many is partly luck."
            )
        return notes

    def __str__(self) -> str:
        return "\n".join((self._title, text_table(self._shown), *self._notes))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self._shown.to_html(index=False, border=0, na_rep="")
        return f"<p>{self._title}</p>{table}{'<br>'.join(self._notes)}"


def rank(
    model: str,
    base: Path | Run | None = None,
    *,
    corpus: str | None = None,
    out: Path | None = None,
    quick: bool = False,
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
        quick: look at few photographs only, none of them tested (see `quick_board`), and make no run.
        device: as in `load_embedder`.
        precision: likewise.
        progress: receives the progress; by default it is shown in the terminal.

    Returns:
        One for each model, and for each of its layers where all were asked for.

    Raises:
        ProbingError: the model, the base or its photographs cannot be used.
    """
    opened = open_run(base)
    if quick:
        if out is not None:
            raise BadConfig("--quick makes no run that pages show; leave --out out.")
        photographs = photographs_of(opened, corpus)
        board = quick_board(opened, model, photographs, device, terminal() if progress is None else progress)
        return [Ranking(parse(model).full, board, pd.DataFrame())]
    names = tuple(parse(name).full for name in expand((model,)))
    out = out or paths.runs_dir() / f"rank-{slug(parse(model).full)}"
    progress = terminal(out) if progress is None else progress
    asked = Options(corpus=corpus, models=names, base=opened.path, device=device, precision=precision)
    if not (out / RECIPE).is_file():
        photographs_of(opened, corpus)  # its message is the best if they are not here
        found = estimate(asked, out, progress=progress)
        progress.note(
            f"{found}\nWhat is complete stays if it is stopped, and the same command goes on. --quick takes "
            f"{QUICK_PHOTOGRAPHS} photographs."
        )
    with final_report(progress):
        run(out, asked, progress=progress)
    made = Run.open(out)
    ranked = ranked_on(opened.path, out)
    rankings = []
    for name in made.models.loc[made.models["request"].isin(names), "name"]:
        one = Ranking(name, place_among([made], name), pd.DataFrame(), ranked, out)
        rankings.append(replace(one, groups=recall_beside(made, name, one.best_other)))
    return rankings


def photographs_of(base: Run, name: str | None = None) -> Corpus:
    """Open the photographs of a run, a corpus ``name`` if it has moved.

    Raises:
        BadRun: they are not on this machine, or have changed.
    """
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
    return corpus


class ValidationCorpus(Corpus):
    """A corpus for choosing a model: its ``test`` is never read, and ``val`` takes its place.

    A fifth of ``train``, by photograph, takes the place of ``val``. A corpus without splits is divided as in a run.
    """

    def __init__(self, corpus: Corpus, seed: int = 0) -> None:
        self._corpus = corpus
        self.name, self.description, self.skipped = corpus.name, corpus.description, corpus.skipped
        rows = corpus.rows.copy()
        if (rows["split"] == "").any():
            rows["split"] = assign_splits(rows["base_id"].tolist(), seed)
        rows = rows[rows["split"].isin(("train", "val"))].reset_index(drop=True)
        learned = (rows["split"] == "train").to_numpy()
        again = np.array(assign_splits(rows["base_id"].tolist(), seed))
        rows["split"] = np.where(~learned, "test", np.where(again == "val", "val", "train"))
        self.rows = rows

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self._corpus.fingerprint} {self.rows['split'].tolist()}".encode()).hexdigest()[:32]

    def load(self, image_id: str) -> Image:
        return self._corpus.load(image_id)


def quick_board(
    base: Run, model: str, corpus: Corpus, device: str = "auto", progress: bool | Progress | None = SILENT
) -> pd.DataFrame:
    """Return the place of a model among `YARDSTICKS`, on few photographs of a run: probes learn from its split train,
    and its split val is predicted. Nothing that the run tests is read.

    The yardsticks are embedded again, with probes of the same photographs, since a run that ships has neither
    embeddings nor predictions of val. Results are cached as in `score`.

    Returns:
        The table of `place_among`.

    Raises:
        BadRun: the run has no splits, or none of `YARDSTICKS`.
    """
    if not has_splits(base.images):
        raise BadRun(f"--quick looks at the split val, and '{base.path}' has too few photographs for splits.")
    here = [name for name in YARDSTICKS if name in set(base.models["name"])]
    if not here:
        raise BadRun(f"--quick compares with {', '.join(YARDSTICKS)}, and '{base.path}' has none of them.")
    name, seen = parse(model).full, ValidationCorpus(corpus, base.recipe.seed)
    learned = [transform.name for transform in base.recipe.design.transforms if not transform.far]
    runs = [
        score(
            one,
            seen,
            limit=QUICK_PHOTOGRAPHS,
            transforms=learned,
            view=base.recipe.view,
            seed=base.recipe.seed,
            device=device,
            progress=progress,
        ).run
        for one in dict.fromkeys((name, *here))
    ]
    return place_among(runs, runs[0].models["name"].iloc[-1])
