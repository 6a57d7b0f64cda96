"""What a report holds, section by section: tables and figures of a run as blocks of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd

from probing_core.charts import (
    Figure,
    Theme,
    confusion_chart,
    layers_chart,
    leaderboard_chart,
    members_chart,
    profile_chart,
    seen_unseen_chart,
    shift_chart,
    substance_chart,
    variance_chart,
)
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent
from probing_core.measures.unrelated_pairs import UNRELATED
from probing_core.results import (
    Run,
    claims_by_set,
    confusion_matrix,
    leaderboard,
    result_in_words,
    retrieval,
    summaries,
)
from probing_core.results.ranking import has_place, marked, standing
from probing_core.results.report.methods import methods
from probing_core.results.report.page import Chart, More, Section, Table, Text
from probing_core.results.sentences import finding, originals_finding
from probing_core.run import layout

INTRODUCTION = (
    "An image embedding is used for what is in a picture. This report shows what else it holds: transformations were "
    "applied to photographs, and small probes had to recognize from the embedding alone which one it was. Every score "
    "stands with its 95 % interval, clustered by photograph, and with what guessing would give."
)
STUDIES = {
    "claims": "The claims, tested",
    "contrasts": "Contrasts named in advance",
    "ablations": "Ablations: each encoder against its twin",
    "thresholds": "Detection thresholds: the strength from which a transformation is detected",
    "strength": "How often a transformation is named, and how far it moves the embedding, at each strength",
    "geometry": "How far transformations move embeddings",
    "selectivity": "Selectivity: accuracy less that at a control task",
    "layers": "Accuracy and parts of the variance at every layer",
    "retrieval": "Retrieval: is the original of an altered picture found, by transformation and strength?",
    "duplicates": "Thresholds for duplicates, which few unrelated pairs exceed, and the share of copies above",
    "variance": "Parts of the variance: content and look",
}
"""Titles of the tables that studies leave, in the order of the report."""

GIVE_STRENGTHS = ("thresholds", "strength", "retrieval")
"""Tables that give strengths, each in the unit of its transformation."""

READ = {"retrieval": retrieval.recall, "duplicates": retrieval.copies}
"""How tables are read whose columns differ in the run that ships."""

SCORE = {"value": "score %", "low": "from %", "high": "to %"}
"""Titles of a score and its interval in percent."""


def sections(run: Run) -> list[Section]:
    """Return the whole report; sections without blocks are left out of the page."""
    board = leaderboard([run], "fine", "seen")
    models = list(board["model"])
    return [
        Section("Overview", _overview(run, board)),
        Section("Leaderboard", _leaderboard(run, board)),
        Section("Scores by group", _groups(run, models)),
        Section("Confusion", list(_confusion(run, models))),
        Section("Generalization", list(_generalization(run, models))),
        Section("Content against transformation", list(_content(run))),
        Section("Retrieval", list(_retrieval(run))),
        Section("Calibration and repetitions", list(_certainty(run, models))),
        Section("Studies", list(_studies(run, models))),
        *methods(run),
    ]


def _both(chart: Callable[[Theme], Figure], alt: str, caption: str = "") -> Chart:
    return Chart(chart(Theme(dark=False)), chart(Theme(dark=True)), alt, caption)


def _overview(run: Run, board: pd.DataFrame) -> list:
    used = run.images[run.images["used"]]
    facts = pd.DataFrame(
        [
            ("models", len(run.models)),
            ("photographs", used["base_id"].nunique()),
            ("images cut from them", len(used)),
            ("samples", run.sample_count),
            ("transformations, identity counted", len(run.classes("fine"))),
        ],
        columns=["what", "how many"],
    )
    models = leaderboard([run], "fine", "seen", baselines=False)
    lead = finding(board if models.empty else models, len(run.classes("fine")))
    blocks = [Text(lead), Text(INTRODUCTION), Table(facts)]
    return blocks + [Text(f"{note[0].upper()}{note[1:]} ({where}).", warning=True) for note, where in _notes(run)]


def _notes(run: Run) -> list[tuple[str, str]]:
    """Return what a reader must know, and where: each note with the tasks and number of models it stands beside."""
    places: dict[str, set[tuple[str, str]]] = {}
    for row in run.scores[["model", "task", "note"]].drop_duplicates().itertuples():
        for note in filter(None, str(row.note).split("; ")):
            places.setdefault(note, set()).add((str(row.task), str(row.model)))
    found = []
    for note, where in sorted(places.items()):
        tasks, models = sorted({task for task, _ in where}), {model for _, model in where}
        found.append((note, f"{', '.join(tasks)}, {len(models)} model{'s' if len(models) > 1 else ''}"))
    return found


def _leaderboard(run: Run, board: pd.DataFrame) -> list:
    against_best = ["best", *(standing(r) for r in board.iloc[1:].itertuples())]
    table = board[["model", "objective", "dim", "value", "low", "high", "chance"]]
    table = table.assign(model=marked(board), standing=against_best)
    if board["note"].any():
        table = table.assign(note=board["note"])
    measure = MEASURES.get("balanced-accuracy")
    figure = _both(
        partial(leaderboard_chart, board),
        f"Balanced accuracy of {has_place(board).sum()} models with intervals, best {board['model'].iloc[0]}.",
        f"{measure.definition} Bars are 95 % intervals; hollow marks are not distinguished from the best (paired "
        "sign-flip test by photograph, Holm's correction); gray squares are baselines."
        f"{'' if has_place(board).all() else ' Ticks are the same models with other seeds.'}",
    )
    blocks: list = [figure, Table(table, percent=SCORE | {"chance": "chance %"})]
    others = summaries.other_probes(run, list(board["model"]))
    if not others.empty:
        caption = "The same task by other probes; the MLP's interval holds its three seeds together."
        blocks.append(More("Other probes", [Table(others, caption, SCORE)]))
    return blocks


def _groups(run: Run, models: list[str]) -> list:
    rows = summaries.by_group(run, models)
    if rows.empty:
        return []
    table = Table(rows[["model", "group", "value", "low", "high"]], percent=SCORE | {"value": "recall %"})
    return [
        _both(partial(profile_chart, rows), "Recall of each group by each model.", summaries.ABOUT_GROUPS),
        More("As a table", [table]),
    ]


def _confusion(run: Run, models: list[str]) -> Iterator[object]:
    group_of = dict(zip(run.transforms["transform"], run.transforms["group"], strict=True))
    yield Text(
        "Rows are the truth, columns the predictions of the linear probe in percent of each row; one matrix a model."
    )
    for model in models:
        predictions = run.tested(model, "fine", (), {"seen": [True]})
        if predictions.empty:
            continue
        matrix = confusion_matrix(predictions, run.classes("fine")) * 100
        worst = summaries.confusions(predictions)
        worst = worst.rename(columns={"predicted": "taken for"})
        yield More(
            model,
            [
                _both(
                    partial(confusion_chart, matrix, group_of=group_of),
                    f"Confusion matrix of {model}.",
                    f"{len(predictions):,} tested samples.",
                ),
                Table(worst, "What is most often taken for something else.", {"share": "of the truth %"}),
            ],
        )


def _generalization(run: Run, models: list[str]) -> Iterator[object]:
    rows = summaries.rotations(run)
    if rows.empty:
        return
    yield Text(
        "Each group of three is learned from two members and tested on the third, in three rotations, so that every "
        "member is unseen once. The in-group hit rate leaves untouched images out."
    )
    for subset, title in (("unseen", "Members that the probe never saw"), ("far", "Far styles")):
        both = rows[rows["subset"].isin(["seen", subset])]
        if (both["subset"] == subset).any():
            yield _both(partial(seen_unseen_chart, both), f"{title}, beside seen ones, by model.", title)
    gaps = summaries.rotations(run, "generalization-gap")
    if not gaps.empty:
        untouched = summaries.pick(summaries.rotations(run, "called-identity"), subset="unseen")
        called = untouched[["model", "rotation", "value"]].rename(columns={"value": "untouched"})
        table = gaps[["model", "rotation", "value", "low", "high"]].merge(called, on=["model", "rotation"], how="left")
        yield Table(
            table,
            "Seen less unseen hit rate, in points, and how often an unseen transformation is called untouched.",
            SCORE | {"value": "gap %", "untouched": "unseen called untouched %"},
        )
    for model in models:
        points = summaries.members(run, model)
        if not points.empty:
            mine = list(dict.fromkeys(points["transform"]))
            yield More(
                f"Member by member: {model}",
                [
                    _both(
                        partial(members_chart, points, mine),
                        f"Each transformation, seen and unseen, by {model}.",
                        "Dot: seen (the mean of two rotations). Diamond: unseen, with its interval.",
                    )
                ],
            )


def _content(run: Run) -> Iterator[object]:
    points = summaries.substance(run)
    if points.empty:
        return
    yield _both(
        partial(substance_chart, points),
        "Content accuracy against transformation accuracy of each model.",
        f"{summaries.content_classes(run)} Transformation: the fine task.",
    )
    numbers = ["content", "content_low", "content_high", "style", "style_low", "style_high"]
    titles = tuple(f"{what} {part}%" for what in ("content", "transformation") for part in ("", "from ", "to "))
    yield More("As a table", [Table(points[["model", *numbers]], percent=dict(zip(numbers, titles, strict=True)))])
    by_transform = summaries.content_by_transform(run)
    means = by_transform.groupby("model", sort=False)[["clean", "transformed", "oracle"]].mean().reset_index()
    shares = {"clean": "untouched", "transformed": "transformed", "oracle": "oracle"}
    yield Table(
        means,
        f"{summaries.ABOUT_CONTENT} Means over transformations.",
        shares,
    )
    columns = by_transform.columns.drop(["model", "transform"])
    yield More(
        "By transformation", [Table(by_transform, percent={c: c.replace("clean", "untouched") for c in columns})]
    )


def _retrieval(run: Run) -> Iterator[object]:
    names = ("uses", "retrieval", "duplicates", "variance")
    if all(run.table(layout.table_path(name)).empty for name in names):
        yield Text(
            "Whether originals of altered pictures are found is measured from embeddings, from 30 photographs on; "
            "`probing run --out DIR` adds it to a run that has them."
        )
    if words := originals_finding(run):
        yield Text(words)
    for name, use in retrieval.USES.items():
        board = retrieval.ordered(run, name)
        if not board.empty:
            standing = ["best", *("lower" if apart else "not distinguished" for apart in board["apart"].iloc[1:])]
            table = board[["value", "low", "high"]].assign(standing=standing)
            table.loc[~has_place(board), "standing"] = "another seed"
            table.insert(0, "model", marked(board))
            yield Table(table, f"{use.title}: {use.needs}.", SCORE | {"value": "%"})
    found = retrieval.originals(run).rename(columns={"transform": "group"})
    if not found.empty:
        yield _both(
            partial(profile_chart, found),
            "Share of altered pictures whose original is the nearest, by model and transformation.",
            f"Original found first among {int(found['gallery'].max()):,} untouched photographs, in percent; identity "
            "is the ceiling.",
        )
    survivors = retrieval.survivors(run, "raw", UNRELATED)
    if not survivors.empty:
        titles = {"threshold_low": "from", "threshold_high": "to", "survives": "a copy survives"}
        table = survivors.drop(columns="kept").rename(columns=titles | {"lost": "and is lost after"})
        share = in_percent(UNRELATED, 1)
        yield Table(table, f"The cosine that {share} of unrelated pairs exceed, and what a copy survives there.")
    parts = run.table(layout.table_path("variance"))
    if not parts.empty:
        chart = partial(variance_chart, parts, along="model")
        yield _both(chart, "Parts of the variance by model.", MEASURES.get("variance-share").definition)


def _certainty(run: Run, models: list[str]) -> Iterator[object]:
    rows = summaries.certainty(run, models)
    if not rows.empty:
        titles = {name: f"{MEASURES.get(name).title} ({MEASURES.get(name).unit})" for name in rows["measure"].unique()}
        yield Table(
            rows.assign(measure=rows["measure"].map(titles)).rename(columns={"low": "from", "high": "to"}),
            "How far the probabilities of the fine task can be trusted: their negative log-likelihood, and the mean "
            "gap between how sure the probe was and how often it was right, before and after a temperature fitted on "
            "other photographs. The gap has no interval: noise makes it larger in every redrawn sample.",
        )
    repeated = summaries.repetitions(run, models)
    if not repeated.empty:
        yield Table(repeated, summaries.ABOUT_REPETITIONS, SCORE)


def _studies(run: Run, models: list[str]) -> Iterator[object]:
    for name, title in STUDIES.items():
        table = READ[name](run) if name in READ else run.table(layout.table_path(name))
        if table.empty:
            continue
        if name in GIVE_STRENGTHS:
            table = summaries.with_units(run, table)
        if name == "claims":
            yield Text(title)
            yield from _claims(table)
            continue
        blocks: list[object] = []
        if name == "geometry":
            blocks += _shifts(run, models)
        if name == "layers":
            rows = summaries.layers(run)
            blocks.append(_both(partial(layers_chart, rows), "Balanced accuracy by layer and task.", "Dotted: chance."))
        yield More(title, [*blocks, Table(table)])


def _claims(table: pd.DataFrame) -> Iterator[object]:
    """Yield the results, a table for each set of encoders that they are about."""
    for tested in claims_by_set(table):
        yield Text(f"{tested.title}. {tested.encoders}.")
        words = [result_in_words(row) for row in tested.claims.to_dict("records")]
        yield Table(tested.claims.drop(columns=["set", "encoders", "missing"]).assign(result=words))


def _shifts(run: Run, models: list[str]) -> Iterator[Chart]:
    """Yield, for the leading model, how far each transformation moves an embedding beside how well it is recognized."""
    points = summaries.shifts(run, models[0])
    if len(points):
        yield _both(
            partial(shift_chart, points),
            f"Shift and recall of each transformation in {models[0]}.",
            f"{models[0]}: right and low is a large move that the probe cannot name.",
        )
