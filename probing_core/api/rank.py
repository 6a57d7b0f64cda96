"""Ranking of a model among the models of a run, without changing the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probing_core import paths
from probing_core.api.score import (
    ANY,
    Samples,
    computed,
    function_of,
    is_unsteady,
    name_of,
    recipes_of,
    spec_of,
)
from probing_core.arguments import PATH, TEXT, checked
from probing_core.compute.task_names import MAIN
from probing_core.compute.training.quick_protocol import choose_quick_images
from probing_core.cores import cores
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.corpora.corpus_part import CorpusPart
from probing_core.errors import BadConfig, BadRun
from probing_core.measures.notation import in_percent, in_points, interval_in_percent
from probing_core.models import CATALOG as MODELS
from probing_core.models import expand, find_spec, hub, parse, parse_known
from probing_core.results.board_entry import BoardEntry, QuickProtocol
from probing_core.results.command import corpus_is_named
from probing_core.results.compare import place_among, recall_beside
from probing_core.results.quick_ranking import NAMED_GROUPS, QuickRanking, quick_ranking
from probing_core.results.ranking import ABOUT_SEEDS, comparisons, has_place
from probing_core.results.run import Run, open_run
from probing_core.results.run_places import ranked_on
from probing_core.results.titled_table import TitledTable
from probing_core.run.estimate import estimate
from probing_core.run.layout import QUICK, RECIPE, quick_path, slug
from probing_core.run.options import Options
from probing_core.run.pipeline import quick_model, run
from probing_core.run.progress import Progress, final_report, in_one_line, terminal
from probing_core.run.setup import open_same_corpus

if TYPE_CHECKING:
    from torch import nn

EXPLAINED = (
    "Difference: accuracy of this model minus that of the other model, in percentage points, on the same photographs, "
    "with its uncorrected 95% CI. p: paired sign-flip test, corrected for all comparisons."
)


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(TitledTable):
    """Rank of a model among the models of a run, with a readable `repr`.

    Attributes:
        model: name of the model.
        board: the table returned by `place_among`.
        best_other: the highest-ranked other model.
        groups: one row per group: ``group``, ``recall``, ``recall_other`` (recall of ``best_other``) and
            ``difference``.
        ranked: number of the user's models ranked on these test photographs so far.
        path: directory of the new run.
    """

    model: str
    board: pd.DataFrame
    best_other: str
    groups: pd.DataFrame
    ranked: int
    path: Path

    @property
    def row(self) -> dict[str, Any]:
        own_row = self._own_row
        return {
            "model": self.model,
            "place": int(own_row["place"]),
            "models": int(has_place(self.board).sum()),
            "value": float(own_row["value"]),
            "low": float(own_row["low"]),
            "high": float(own_row["high"]),
            "best_other": self.best_other,
            "ranked": self.ranked,
            "groups": self.groups.to_dict("records"),
            "others": self._other_rows.to_dict("records"),
        }

    @property
    def _own_row(self) -> pd.Series:
        return self.board[self.board["model"] == self.model].iloc[0]

    @property
    def _other_rows(self) -> pd.DataFrame:
        rows = self.board[self.board["model"] != self.model]
        return rows.assign(place=rows["place"].astype(object).where(has_place(rows), None))

    @property
    def _formatted(self) -> pd.DataFrame:
        table = comparisons(self.board, "score")
        table.insert(0, "place", self.board["place"].astype(object).where(has_place(self.board), None))
        return table

    @property
    def _title(self) -> str:
        own_row = self._own_row
        return (
            f"{self.model} ranks #{own_row['place']} of {int(has_place(self.board).sum())}. Its accuracy is "
            f"{in_percent(own_row['value'], 1)} ({interval_in_percent(own_row['low'], own_row['high'])})."
        )

    @property
    def _notes(self) -> list[str]:
        notes = [] if has_place(self._other_rows).all() else [ABOUT_SEEDS]
        rows = list(zip(self.groups["group"], self.groups["difference"], strict=True))
        better = [f"{group} ({in_points(gap)})" for group, gap in rows if gap > 0]
        worse = [f"{group} ({in_points(gap)})" for group, gap in rows[::-1] if gap < 0]
        none = "no group"
        return [
            *notes,
            f"Compared with {self.best_other}, recall is higher for {', '.join(better[:NAMED_GROUPS]) or none} and "
            f"lower for {', '.join(worse[:NAMED_GROUPS]) or none}.",
            EXPLAINED,
            f"In total, {self.ranked} of your models {'was' if self.ranked == 1 else 'were'} ranked on these test "
            f"photographs. The score of the best of many models is partly due to chance.",
        ]


@checked(name=TEXT, corpus=TEXT, out=PATH, device=TEXT, precision=TEXT)
def rank(
    model: str | Callable[[Sequence[np.ndarray]], np.ndarray] | nn.Module,
    base: Path | Run | None = None,
    *,
    full: bool = False,
    name: str | None = None,
    corpus: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> list[QuickRanking] | list[Ranking]:
    """Rank a model among the models of a run, without changing the run.

    By default, the quick protocol is used: a subset of the photographs with one repetition. A second call resumes an
    interrupted ranking or returns the cached result.

    Examples:
        >>> probing_core.rank("timm:resnet50.a1_in1k")  # doctest: +SKIP

    Args:
        model: a model name, as in ``probing run --models`` (a pattern matches several checkpoints); or a function or
            module, as in `score`.
        base: run whose models ``model`` is compared with; by default the reference run.
        full: whether to embed all samples of ``base`` in a new run, instead of using the quick protocol.
        name: name of a function or module in the results, as in `score`.
        corpus: corpus with the photographs of ``base``, if they were moved.
        out: folder for the new run if ``full``; by default ``rank-MODEL`` in the runs folder.
        device: as in `load_embedder`.
        precision: as in `load_embedder`; only used if ``full``.
        progress: object that receives progress updates; by default, progress is displayed in the terminal.

    Returns:
        One ranking for each model, or for each of its layers if the model name ends in ``@layer=all``.

    Raises:
        ProbingError: the model, the run ``base`` or its photographs cannot be used.
    """
    opened = open_run(base)
    if not full:
        if out is not None:
            raise BadConfig("The quick protocol does not create a run. out is only supported with full=True.")
        return _ranked_quickly(model, opened, name or name_of(model), corpus, device, progress)
    if not isinstance(model, str):
        raise BadConfig(
            "Functions and modules can only be ranked with the quick protocol. For a full run, register a model."
        )
    return _ranked_fully(model, opened, corpus, out, device, precision, progress)


def _ranked_quickly(
    model: Any, base: Run, name: str, corpus: str | None, device: str, progress: Progress | None
) -> list[QuickRanking]:
    names = [parse_known(text).full for text in expand((model,))] if isinstance(model, str) else []
    scored = quick_samples(base, corpus)
    if isinstance(model, str):
        return [
            ranking for full_name in names for ranking in _quick_rankings(base, scored, full_name, device, progress)
        ]
    with MODELS.temporarily(spec_of(function_of(model, None, scored.recipe.view, device), name, scored, None)):
        return _quick_rankings(base, scored, name, device, progress)


def quick_samples(base: Run, corpus: str | None = None) -> Samples:
    """Return the samples of a run that the quick protocol uses.

    Raises:
        BadRun: the run has no results of the quick protocol, or its photographs are missing or have changed.
    """
    if base.table(QUICK).empty:
        raise BadRun(
            f"The run '{base.path}' has no results of the quick protocol, so models must be ranked on all samples.",
            hint="Use --full, or full=True in Python.",
        )
    photographs = _require_photographs(base, corpus)
    images = choose_quick_images(base.images)
    part = CorpusPart(photographs, images)
    recipe = replace(
        base.recipe,
        corpus=part.name,
        fingerprint=part.fingerprint,
        transforms=tuple(transform for transform in base.recipe.transforms if transform not in base.far),
        models=(ANY,),
        limit=None,
        repetitions=1,
        threads=cores(),
        calibrate_on=(),
        calibrate_fingerprints=(),
    )
    # The run has already read its images, which takes seconds.
    return Samples(part, recipe, images.set_index("image_id").loc[part.rows["image_id"]].reset_index())


def _quick_rankings(
    base: Run, scored: Samples, model: str, device: str, progress: Progress | None
) -> list[QuickRanking]:
    """Rank a model, or each of its layers if all layers were requested."""
    recipes = recipes_of(model, device)
    bar = in_one_line(None) if progress is None else progress
    results = computed(scored, model, recipes, quick_model, (MAIN,), device, not is_unsteady(recipes), bar, _read_quick)
    groups = {transform.name: transform.group for transform in base.recipe.design.transforms}
    quick, full = base.table(QUICK), base.sample_count
    protocol = QuickProtocol.of(base)
    rankings = []
    for facts, table in results:
        entry = BoardEntry.of(facts, table, protocol, hub.revision_of(str(facts.get("weights", ""))))
        rankings.append(quick_ranking(facts["name"], table, quick, groups, len(scored), full, entry))
    return rankings


def _read_quick(run: Run, folder: Path | None) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Return the facts about each model (content of ``model.toml``) and its answers."""
    return [(facts, run.table(quick_path(facts["name"]))) for facts in run.entries]


def _ranked_fully(
    model: str,
    opened: Run,
    corpus: str | None,
    out: Path | None,
    device: str,
    precision: str,
    progress: Progress | None,
) -> list[Ranking]:
    names = tuple(parse(name).full for name in expand((model,)))
    if set(opened.scores["model"]) <= set(names):
        raise BadRun(f"The run '{opened.path}' has no other models with scores to compare '{model}' with.")
    out = out or paths.runs_dir() / f"rank-{slug(parse(model).full)}"
    progress = terminal(out) if progress is None else progress
    options = Options(corpus=corpus, models=names, base=opened.path, device=device, precision=precision)
    if not (out / RECIPE).is_file():
        _require_photographs(opened, corpus)  # checked first, because its error message is the most helpful
        for name in names:
            find_spec(name)  # the estimate does not need the weights, but the run does
        expected = estimate(options, out, progress=progress)
        progress.note(f"{expected}\nIf the run is interrupted, run the same command again to resume it.")
    with final_report(progress):
        run(out, options, progress=progress)
    completed = Run.open(out)
    ranked = ranked_on(opened.path, out)
    rankings = []
    for name in completed.models.loc[completed.models["request"].isin(names), "name"]:
        board = place_among(completed, name)
        best = str(board.loc[has_place(board) & (board["model"] != name), "model"].iloc[0])
        rankings.append(Ranking(name, board, best, recall_beside(completed, name, best), ranked, out))
    return rankings


def _require_photographs(base: Run, name: str | None) -> Corpus:
    """Open the photographs of a run, from the corpus ``name`` if it is specified.

    Raises:
        BadRun: the photographs are missing or have changed.
    """
    if name is None and not corpus_is_named(base.recipe):
        raise BadRun(
            f"The photographs of the run '{base.path}' ({base.recipe.corpus}) are not included in the package. Use a "
            f"run on your own photographs, or specify the corpus of the run.",
            hint="Pass a run as --base, or the photographs as --corpus.",
        )
    corpus = open_corpus(name) if name else open_same_corpus(base.recipe)
    if corpus.fingerprint != base.recipe.fingerprint:
        raise BadRun(
            f"'{corpus.name}' is not the corpus of the run '{base.path}'. Specify the corpus of this run.",
            hint="Pass the original corpus as --corpus.",
        )
    return corpus
