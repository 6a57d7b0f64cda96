"""Whether a model got worse: scorecards on photographs of ``val``, and a check against an earlier one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from probing_core.api.samples import samples
from probing_core.api.score import MY_ENCODER, score
from probing_core.compute.samples import has_splits
from probing_core.compute.scorecard import Drop, ScoreRow, drops, score_row
from probing_core.compute.studies.neighborhood import retrieve
from probing_core.corpora import open_corpus
from probing_core.corpora.selection import ValidationCorpus
from probing_core.errors import BadConfig, BadCorpus, one_line
from probing_core.measures.cluster_sums import mean
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_T
from probing_core.measures.notation import in_percent
from probing_core.results.comparison import GROUP, contrasts, unseen_by_rotation
from probing_core.results.run import Run
from probing_core.run.atomic import write_atomically
from probing_core.run.progress import Progress
from probing_core.run.recipe import VIEW
from probing_core.run.store import digest

FORMAT = 1

RETRIEVAL = ("retrieval", "all", "recall")
"""Task, subset and measure of how often the nearest untouched photograph to an altered one is its original."""

RECIPE_ENTRIES = ("corpus", "transforms", "limit", "view", "seed")


@dataclass(frozen=True, eq=False)
class Scorecard:
    """Scores of a model on photographs of ``val``.

    Attributes:
        model: its name.
        recipe: ``corpus``, ``transforms``, ``limit``, ``view`` and ``seed``, by which another model is measured alike.
        measured: digest of the photographs and of what is made of them; scorecards are compared where it is the same.
        rows: the scores.
    """

    model: str
    recipe: dict[str, Any]
    measured: str
    rows: tuple[ScoreRow, ...] = field(repr=False)

    def write(self, path: Path | str) -> None:
        """Write it as JSON."""
        rows = [
            {
                "task": row.task,
                "subset": row.subset,
                "measure": row.measure,
                "value": round(row.value, 6),
                "low": round(row.low, 6) if np.isfinite(row.low) else None,
                "high": round(row.high, 6) if np.isfinite(row.high) else None,
                "photographs": row.photographs,
                "bases": list(row.bases),
                "parts": list(row.parts),
                "sums": None if row.sums is None else row.sums.astype(int).tolist(),
            }
            for row in self.rows
        ]
        content = {"format": FORMAT, "model": self.model, "recipe": self.recipe, "measured": self.measured}
        lines = ",\n".join(json.dumps(row) for row in rows)  # one line a score: a change of one shows as one
        text = f'{json.dumps(content, indent=1)[:-2]},\n "rows": [\n{lines}\n ]\n}}\n'
        write_atomically(Path(path), text.encode())

    @classmethod
    def read(cls, path: Path | str) -> Scorecard:
        """Read what `write` has written; ``bases``, ``parts`` and ``sums`` may have been left out.

        Raises:
            BadConfig: there is no such file, or it is no scorecard.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r:.20}, and this version reads {FORMAT}")
            rows = tuple(_read_row(row) for row in content["rows"])
            recipe = {entry: content["recipe"][entry] for entry in RECIPE_ENTRIES}
            return cls(str(content["model"]), recipe, str(content["measured"]), rows)
        except FileNotFoundError:
            raise BadConfig(
                f"There is no scorecard '{path}'; `probing check MODEL --write {path}` makes one."
            ) from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadConfig(f"'{path}' cannot be read as a scorecard: {one_line(error)[:200]}.") from error


def _read_row(row: dict[str, Any]) -> ScoreRow:
    low, high = (np.nan if row[name] is None else float(row[name]) for name in ("low", "high"))
    bases, sums = tuple(map(str, row.get("bases") or ())), row.get("sums")
    matrix = None if not bases or sums is None else np.asarray(sums, np.float64)
    if matrix is not None and (matrix.ndim != 2 or len(matrix) != len(bases) or matrix.shape[1] % 2):
        raise ValueError(f"the sums of {row['task']}, {row['subset']} are not one row a photograph")
    parts = tuple(map(int, row.get("parts") or ()))
    if matrix is not None and parts and 2 * sum(parts) != matrix.shape[1]:
        raise ValueError(f"the parts of {row['task']}, {row['subset']} are not those of its sums")
    task, subset, measure = (str(row[name]) for name in ("task", "subset", "measure"))
    photographs = int(row["photographs"])
    return ScoreRow(task, subset, measure, float(row["value"]), low, high, photographs, bases, matrix, parts)


@dataclass(frozen=True)
class Check:
    """What `check` found.

    Attributes:
        model: its name.
        rows: how far each score has dropped.
        allowed: the drop that is allowed, a fraction.
    """

    model: str
    rows: tuple[Drop, ...]
    allowed: float

    @property
    def worse(self) -> tuple[Drop, ...]:
        """Rows whose whole interval lies beyond what is allowed."""
        return tuple(row for row in self.rows if row.worse)

    @property
    def lines(self) -> list[str]:
        """One line a row."""
        return [_line(row) for row in self.rows]


def _line(row: Drop) -> str:
    ends = f"{100 * row.low:+.1f} to {100 * row.high:+.1f}"
    drop = f"drop {100 * row.drop:+.1f} points (interval {ends}, p {row.p:.2g}, {row.photographs} photographs)"
    values = f"{in_percent(row.before, 1)} before, {in_percent(row.now, 1)} now"
    return f"{'worse' if row.worse else 'ok   '}  {row.task}, {row.subset}, {row.measure}: {values}, {drop}"


def scorecard(
    encoder: Any,
    corpus: str = "reference",
    *,
    transforms: str | Sequence[str] = "bank",
    limit: int | None = None,
    view: int = VIEW,
    seed: int = 0,
    name: str = MY_ENCODER,
    device: str = "auto",
    progress: bool | Progress | None = None,
) -> Scorecard:
    """Measure an encoder on the photographs of ``val`` of a corpus; those of ``test`` are never read.

    What is computed is kept as `score` keeps it: a second call is answered at once, and one that was stopped goes on.

    Args:
        encoder: name of a model, or what else `score` takes of pictures.
        corpus: as in ``probing run --corpus``; the photographs that ship if not given.
        transforms: as in `score`.
        limit: as in `score`.
        view: as in `score`.
        seed: as in `score`.
        name: as in `score`.
        device: as in `score`.
        progress: as in `score`.

    Returns:
        Balanced accuracy over all transformations and for content, recall of each group, the hit rate at members of
        groups that a probe has not seen, and how often the nearest untouched photograph to an altered one is its
        original, with 95 % intervals over photographs; a score that rests on fewer than 6 is left out.

    Raises:
        ProbingError: the encoder or the corpus cannot be used.
    """
    chosen = samples(
        ValidationCorpus(open_corpus(corpus), seed), transforms=transforms, limit=limit, view=view, seed=seed
    )
    found = score(encoder, chosen, name=name, device=device, progress=progress)
    design = chosen.recipe.design
    measured = digest([chosen.recipe.fingerprint, [t.key for t in design.transforms], limit, view, seed])
    stated = {
        "corpus": corpus,
        "transforms": [t.name for t in design.transforms],
        "limit": limit,
        "view": view,
        "seed": seed,
    }
    return Scorecard(found.model, stated, measured, tuple(_rows(found.run, found.model)))


def check(
    encoder: Any,
    baseline: Scorecard | Path | str,
    *,
    max_drop: float = 0.0,
    corpus: str | None = None,
    name: str = MY_ENCODER,
    device: str = "auto",
    progress: bool | Progress | None = None,
) -> Check:
    """Tell whether a model is worse than a baseline, measured alike.

    Args:
        encoder: as in `scorecard`.
        baseline: a scorecard, or its file.
        max_drop: a drop that is allowed, a fraction: 0.01 is one point.
        corpus: the baseline's, where its files lie elsewhere now.
        name: as in `scorecard`.
        device: as in `scorecard`.
        progress: as in `scorecard`.

    Raises:
        ProbingError: the encoder cannot be used, or the baseline is of other photographs or transformations.
    """
    before = baseline if isinstance(baseline, Scorecard) else Scorecard.read(baseline)
    asked = before.recipe | ({} if corpus is None else {"corpus": corpus})
    now = scorecard(encoder, name=name, device=device, progress=progress, **asked)
    if now.measured != before.measured:
        raise BadConfig(
            f"The baseline is of other photographs than '{asked['corpus']}' holds now, or of another revision of the "
            f"transformations; write it anew with the model that it is of, '{before.model}'."
        )
    return Check(now.model, tuple(drops(before.rows, now.rows, max_drop)), max_drop)


def assert_no_drop(encoder: Any, baseline: Scorecard | Path | str, *, max_drop: float = 0.0, **options: Any) -> None:
    """Raise `AssertionError` with a line for each score that is worse than the baseline's: `check` for a test.

    Args:
        encoder: as in `check`.
        baseline: as in `check`.
        max_drop: as in `check`.
        **options: as in `check`.
    """
    found = check(encoder, baseline, max_drop=max_drop, **options)
    if found.worse:
        lines = "\n".join(_line(row) for row in found.worse)
        raise AssertionError(f"{found.model} is worse than the baseline in {len(found.worse)} scores:\n{lines}")


def _rows(run: Run, model: str) -> list[ScoreRow]:
    rows = []
    for contrast, found in contrasts(run, model):
        if found.sums is not None:
            bases, probes = unseen_by_rotation(run, model) if contrast[0] == GROUP else (found.bases, [found.sums])
            rows.append(score_row(contrast, bases.tolist(), probes))
    told = [row for row in (*rows, _retrieval(run, model)) if np.isfinite(row.low)]
    if not told:
        raise BadCorpus(
            f"A scorecard needs {MIN_CLUSTERS_FOR_T} photographs of the split val for an interval; take a corpus with "
            f"more."
        )
    return told


def _retrieval(run: Run, model: str) -> ScoreRow:
    """Return how often an altered photograph's nearest untouched one, by the cosine, is its original."""
    rows = run.sample_columns("image_id", "base_id", "split", "transform", "draw")
    tested = (rows["split"] == "test").to_numpy() | (not has_splits(run.images))
    plain = (rows["transform"] == "identity").to_numpy()
    untouched, altered = tested & plain & (rows["draw"] == 0).to_numpy(), tested & ~plain
    embeddings = run.lazy_embeddings(model)
    assert embeddings is not None  # `score` has just kept them
    of_altered, of_untouched = (np.flatnonzero(there) for there in (altered, untouched))
    queries, gallery = (rows.iloc[at].astype({"image_id": str, "base_id": str}) for at in (of_altered, of_untouched))
    found = retrieve(queries, embeddings[of_altered], gallery, embeddings.at(of_untouched))
    bases = queries["base_id"].to_numpy()
    return score_row(RETRIEVAL, np.unique(bases).tolist(), [mean(found.ranks.found(1), bases)])
