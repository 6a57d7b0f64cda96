"""``make docs``: writes what is generated in the documentation.

The table of transforms comes from the catalog; the tables and results of docs/results.md, and the result that the
README names, come from the reference run. Pictures of docs/ideas.md and the outputs of the notebooks are made again,
too.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbclient import NotebookClient
from nbformat import NotebookNode

from lab.devtools.commands import markdown_table, put
from lab.scripts import format_docs, idea_pictures, transform_docs
from probing_core.measures.notation import in_percent, in_points
from probing_core.measures.statistics import with_place
from probing_core.models import encoders_of
from probing_core.results import (
    Run,
    claims_by_set,
    leaderboard,
    result_in_words,
    retrieval,
    summaries,
)
from probing_core.results.claim_sentences import (
    accuracies_in_words,
    claim_in_words,
    encoders_by_role,
    evidence_in_words,
)
from probing_core.results.former_claims import encoders_of_contrasts, with_numbers
from probing_core.results.ranking import BELOW, in_order, is_baseline
from probing_core.results.sentences import beside_baselines, finding, layers_finding, originals_finding
from probing_core.run import layout
from probing_core.run.store import Store

ROOT = Path(__file__).resolve().parents[2]
README, RESULTS = "README.md", "docs/results.md"
NOTEBOOKS = [ROOT / "docs" / "how-to" / name for name in ("encoder.ipynb", "training.ipynb")]
TIMEOUT_S = 300
"""For one cell of a notebook."""

BEGIN = "<!-- generated: make docs -->"
REPEAT = "<!-- generated: make docs, what to repeat -->"
STYLES_MARK = "<!-- generated: make docs, what styles are called -->"
SHOWN = (
    ("fine", "all", "balanced-accuracy", "31 transformations"),
    ("fine", "without-style", "balanced-accuracy", "all but the style classes"),
    ("group-0", "seen", "group-hit-rate", "groups, members seen (rotation 0)"),
    ("group-0", "unseen", "group-hit-rate", "groups, members unseen (rotation 0)"),
    ("group-0", "far", "group-hit-rate", "far styles (rotation 0)"),
    ("content", "seen", "balanced-accuracy", "content"),
)
"""Columns of the table of scores: task, subset, measure, title; those that the run does not have are left out."""

STYLES = {
    "learned from": (r"style-(3|16|19)", True),
    "the third of the bank, unseen": (r"style-(3|16|19)", False),
    "five further ones of the same network": (r"style-(8|12|14|15|23)", False),
    "ten of another network": (r"style-arbitrary-\d+", False),
}
"""Title -> names of the transforms, and whether the probe of the rotation had seen them."""

BESIDE_THE_SIX = ("baseline/random-vit", "timm:tf_efficientnet_lite0", "baseline/handcrafted")


def main() -> None:
    transform_docs.main()
    format_docs.main()
    run = Store(ROOT / "data" / "reference")
    opened = Run.open(run.root)
    parts = [score_table(run), claims_list(run), ablations_list(run), layers_list(opened)]
    results = put((ROOT / RESULTS).read_text(encoding="utf-8"), BEGIN, "\n\n".join(parts))
    results = put(results, REPEAT, takeaways(opened))
    (ROOT / RESULTS).write_text(put(results, STYLES_MARK, style_table(run)), encoding="utf-8")
    idea_pictures.main()
    for path in NOTEBOOKS:
        path.write_text(json.dumps(executed(path), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = (ROOT / README).read_text(encoding="utf-8")
    (ROOT / README).write_text(put(readme, BEGIN, headline(run)), encoding="utf-8")


def executed(path: Path) -> NotebookNode:
    """Return the notebook with the outputs of all its cells, run in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    content = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # A library that some process imported may have chosen another backend for its children.
        inline = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        client = NotebookClient(content, timeout=TIMEOUT_S, resources={"metadata": {"path": folder}})
        client.execute(env=inline)
    content.metadata = {"kernelspec": content.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in content.cells:
        cell.metadata = {}  # when and how long it ran
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return content


def headline(run: Store) -> str:
    """Return the result in the README: the transformation accuracy of the best and worst encoder and of baselines."""
    scores = run.read_table(layout.SCORES)
    rows = scores[
        (scores[["probe", "task", "subset", "measure"]] == ["linear", "fine", "all", "balanced-accuracy"]).all(axis=1)
    ].set_index("model")
    encoders = [name for names in encoders_of("zoo").values() for name in names if name in rows.index]
    objectives = rows.loc[encoders].sort_values("value", ascending=False)
    best, least = objectives.iloc[0], objectives.iloc[-1]
    untrained, published, statistics = (
        rows.loc[name] for name in ("baseline/random-vit", "timm:tf_efficientnet_lite0", "baseline/handcrafted")
    )

    def with_interval(row: pd.Series) -> str:
        return f"{in_percent(row['value'], 1)} (95% CI {100 * row['low']:.1f}\N{EN DASH}{100 * row['high']:.1f})"

    first, last = objectives.index[0], objectives.index[-1]
    return (
        f"Of {len(objectives)} small encoders that differ only in their training objective, `{first}` encodes the most "
        f"about transformations: a linear probe on its embedding predicts the transformation with an accuracy of "
        f"{with_interval(best)}, compared with {with_interval(least)} for `{last}`. "
        f"Chance is {in_percent(best['chance'])}. The untrained network reaches {with_interval(untrained)}, "
        f"a published EfficientNet-Lite0 {with_interval(published)}, and handcrafted pixel statistics "
        f"{with_interval(statistics)}. `probing compare {first} {last}` recomputes the difference."
    )


def takeaways(run: Run) -> str:
    """Return the main findings of a run as a list in Markdown, in the sentences of the pages."""
    board = leaderboard(run)
    learned, baselines = board[~is_baseline(board["model"])], board[is_baseline(board["model"])]
    duplicates = retrieval.ordered(run, "duplicates", learned=True).iloc[0]
    content = leaderboard(run, "content", "seen").iloc[0]
    far = leaderboard(run, "group-0", "far")
    lines = [
        f"**What was done to the picture.** {finding(learned, len(run.classes('fine')), code)} "
        f"{beside_baselines(learned, baselines, code)}",
        f"**Where in the network.** {layers_finding(summaries.layers(run), code)}",
        f"**What it breaks.** {originals_finding(run, code)} For duplicates, {code(duplicates['model'])} keeps most "
        f"copies of the models that learned from pictures: {in_percent(duplicates['value'])} at the cosine that "
        "0.1 % of unrelated pairs exceed.",
        f"**What is shown.** {code(content['model'])} knows most of the content: {in_percent(content['value'])} "
        f"({100 * content['low']:.0f} to {100 * content['high']:.0f}) of the test photographs by a linear probe, where "
        f"chance is {in_percent(content['chance'])}.",
    ]
    if not far.empty:
        best = far.iloc[0]
        lines.append(
            f"**Styles unlike any that a probe has seen.** {code(best['model'])} recognizes most of them: it calls "
            f"{in_percent(best['value'])} ({100 * best['low']:.0f} to {100 * best['high']:.0f}) style (rotation 0), "
            f"where chance is {in_percent(best['chance'])}."
        )
    return "\n".join(f"- {line}" for line in lines)


def code(name: str) -> str:
    return f"`{name}`"


def style_table(run: Store) -> str:
    """Return a Markdown table of how much of the styles is called style, and how much noise, over the three
    rotations, as `STYLES` divides them."""
    transforms = run.read_table(layout.SAMPLES, columns=["sample", "transform"]).set_index("sample")["transform"]
    six = [name for names in encoders_of("zoo").values() for name in names]
    lines = []
    shown = {"the six": six} | {f"`{name}`": [name] for name in BESIDE_THE_SIX}
    for title, models in shown.items():
        paths = [layout.predictions_path(model, f"group-{rotation}") for model in models for rotation in range(3)]
        rows = pd.concat([run.read_table(path) for path in paths]).join(transforms, on="sample")
        cells = []
        for pattern, seen in STYLES.values():
            called = rows[rows["transform"].str.fullmatch(pattern) & (rows["seen"] == seen)]["predicted"]
            cells.append(f"{100 * (called == 'style').mean():.0f} / {in_percent((called == 'noise').mean())}")
        lines.append([title, *cells])
    return markdown_table(["model", *STYLES], lines)


def score_table(run: Store) -> str:
    """Return a Markdown table of a run's main scores, best model first, with the same model of other seeds below it,
    with 95 % intervals; notes on scores are below."""
    scores = Run.open(run.root).scores
    cells: dict[str, dict[str, str]] = {}
    order: dict[str, float] = {}
    chances: dict[str, str] = {}
    marks: dict[str, str] = {}
    for task, subset, measure, title in SHOWN:
        rows = scores[(scores[["task", "subset", "measure"]] == [task, subset, measure]).all(axis=1)]
        for row in rows.itertuples():
            order.setdefault(str(row.model), row.value)
            interval = f"{in_percent(row.value)} ({100 * row.low:.0f} to {100 * row.high:.0f})"
            mark = marks.setdefault(str(row.note), f"<sup>{len(marks) + 1}</sup>") if row.note else ""
            cells.setdefault(str(row.model), {})[title] = interval + mark
            chances[title] = in_percent(row.chance)
    board = in_order(pd.DataFrame({"model": order.keys(), "value": order.values()}))
    lines = [
        [f"{BELOW if row.seed_of else ''}`{row.model}`", *(cells[row.model].get(title, "") for title in chances)]
        for row in board.itertuples()
    ]
    table = markdown_table(["model", *chances], [*lines, ["chance", *chances.values()]])
    notes = [f"{mark} {note[0].upper()}{note[1:]}." for note, mark in marks.items()]
    return "\n\n".join([table, *notes])


def claims_list(run: Store) -> str:
    """Return the claims with the results of their tests and their evidence, as a numbered list for each set of
    encoders; single contrasts are on the page Models."""
    contrasts = run.read_table(layout.CONTRASTS)
    roles = run.read_table(layout.ROLES) if run.has(layout.ROLES) else pd.DataFrame()
    parts = []
    for title, rows in claims_by_set(with_numbers(run.read_table(layout.CLAIMS), contrasts)).items():
        role_set = str(rows["set"].iloc[0])
        own = summaries.pick(roles, set=role_set)
        encoders = encoders_by_role(own) if len(own) else encoders_of_contrasts(role_set, contrasts)
        named = "; ".join(f"{role}: {', '.join(models)}" for role, models in encoders.items())
        lines = [
            f"{row['claim']}. {claim_in_words(row)} **{result_in_words(row)}** {evidence_in_words(row)}".rstrip()
            for row in rows.to_dict("records")
        ]
        if len(own):
            lines[-1] += f" {accuracies_in_words(own)}"
        parts.append("\n".join([f"{title} ({named}):", "", *lines]))
    return "\n\n".join(parts)


def ablations_list(run: Store) -> str:
    rows = run.read_table(layout.ABLATIONS).dropna(subset=["p"])
    lines = [
        f"- `{r.first}` less `{r.second}`, {r.score}: {100 * r.effect:+.1f} points ({100 * r.low:.1f} to "
        f"{100 * r.high:.1f}), p {'< 0.001' if r.p_holm < 0.001 else f'= {r.p_holm:.3f}'}"
        for r in rows.itertuples()
    ]
    return "\n".join(["Ablations, each against its twin, with Holm's correction over the six:", "", *lines])


DIFFERENCES = ("difference", "difference_low", "difference_high")


def best_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return from `summaries.layers` the chosen layer of each model and task, and the number of its layers."""
    depth = rows.groupby("base", sort=False)["layer"].max()
    best = rows[rows["chosen"].astype(bool)]
    best = best.assign(layers=best["base"].map(depth))[["base", "task", "layer", "layers", *DIFFERENCES]]
    place = {base: i for i, base in enumerate(depth.index)} | {"fine": 0, "content": 1}
    return best.sort_values(["base", "task"], key=lambda column: column.map(place), ignore_index=True)


def layers_list(run: Run) -> str:
    """Return a Markdown table of the layer chosen on validation for each network, compared with its last layer."""
    every = summaries.layers(run)
    every = every[every["base"].isin(with_place(every["base"]))]
    cells: dict[str, list[str]] = {}
    for best in best_layers(every).itertuples():
        interval = f" ({in_points(best.difference_low)} to {in_points(best.difference_high)})"
        difference = in_points(best.difference) + (interval if np.isfinite(best.difference_low) else "")
        cells.setdefault(str(best.base), []).extend([f"{best.layer} of {best.layers}", difference])
    titles = [title for name in ("transformation", "content") for title in (f"{name}: layer", "minus the last layer")]
    words = (
        "The layer of each network chosen on validation, and its accuracy minus that of the last layer in percentage "
        "points with its 95% CI (all layers: the page Layers):"
    )
    table = markdown_table(["model", *titles], [[f"`{base}`", *scores] for base, scores in cells.items()])
    return f"{words}\n\n{table}"


if __name__ == "__main__":
    main()
