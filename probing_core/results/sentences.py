"""Sentences on the results and methods of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from probing_core.compute.sampling.samples import has_splits
from probing_core.measures.notation import TOO_FEW, in_percent, interval_in_percent, minus, model_title, points_interval
from probing_core.measures.statistics import networks, with_place
from probing_core.results.by_transform import level_with_best
from probing_core.results.ranking import has_place, is_baseline, networks_of
from probing_core.results.retrieval import ordered
from probing_core.results.run_tables import RunTables
from probing_core.run import layout

MAX_NAMED = 3
"""Maximum number of models that are listed as not significantly different from the best model.

If there are more, only their number is stated.
"""


def finding(board: pd.DataFrame, classes: int, title: Callable[[str], str] = str) -> str:
    """Return a sentence that states which model encodes the most about transformations.

    If the ranking is inconclusive, the sentence says so.

    Args:
        board: result of `leaderboard`, which may be empty. It includes baselines only if there are no encoders.
        classes: number of classes of the probe, including clean.
        title: function that formats the name of a model.
    """
    if board.empty:
        return "This run has no scores yet."
    board = board[has_place(board)]
    best, count = board.iloc[0], len(board)
    name = title(str(best["model"]))
    every = models_in_words(board["model"])
    score = (
        f"{in_percent(best['value'], 1)} of test samples correctly among {classes} classes "
        f"({_interval(best, 1)}; chance {in_percent(best['chance'], 1)})"
    )
    if not best["low"] > best["chance"]:
        among = name if count == 1 else f"{name}, which ranks first of {every},"
        return f"No model has a 95% CI above chance: a linear probe on {among} classifies {score}."
    if count == 1:
        return f"A linear probe on {name} classifies {score}."
    if not board["apart"].any():
        return (
            f"{name} ranks first among {every}, but is not significantly better than all others: its linear probe "
            f"classifies {score}."
        )
    return (
        f"{name} encodes the most about transformations among {every}{_level(board, title)}: its linear probe "
        f"classifies {score}."
    )


def models_in_words(models: Sequence[str] | pd.Series) -> str:
    """Format the number of models, such as ``10 encoders and 1 intermediate layer`` or ``3 baselines``."""
    network_count = len(networks(models))
    kind = "baseline" if is_baseline(pd.Series(models)).all() else "encoder"
    text = f"{network_count} {kind}{'' if network_count == 1 else 's'}"
    if layers := len(models) - network_count:  # intermediate layers are also models
        text += f" and {layers} intermediate layer{'' if layers == 1 else 's'}"
    return text


def beside_baselines(board: pd.DataFrame, baselines: pd.DataFrame, title: Callable[[str], str] = str) -> str:
    """Return a sentence that compares the best baseline with the best model in ``board``.

    Args:
        board: non-empty ranking of models, best first.
        baselines: non-empty ranking of baselines, best first.
        title: function that formats the name of a model.
    """
    best, value = baselines.iloc[0], board.iloc[0]["value"]
    text = f"The untrained baseline {title(str(best['model']))} reaches {in_percent(best['value'], 1)}"
    return f"{text}, more than any encoder." if best["value"] > value else f"{text}."


def layers_finding(rows: pd.DataFrame, title: Callable[[str], str] = str) -> str:
    """Return a sentence on which layers encode the most about transformations. It is empty if there are no results.

    The layer that was selected on validation photographs is compared with the last layer. Additional seeds are ignored.
    Untrained networks are included only if there are no trained networks.

    Args:
        rows: rows of `probing_core.results.summaries.layers`.
        title: function that formats the name of a model.
    """
    rows = rows[rows["base"].isin(networks_of(rows["base"]))]
    fine = rows[(rows["task"] == "fine") & rows["chosen"].astype(bool)].drop_duplicates("base")
    if fine.empty:
        return ""
    count, by_difference = len(fine), fine.sort_values("difference", ascending=False, kind="stable")
    best = by_difference.to_dict("records")[0]
    name = str(best["base"])
    layer = f"Layer {best['layer']:.0f} of {title(name)}"
    if not fine["difference_low"].notna().any():
        if not best["difference"] > 0:
            return (
                f"In 0 of {_count(count)}, the layer that was selected on the validation set has a higher "
                "transformation accuracy than the last layer."
            )
        return (
            f"{layer}, selected on the validation set, has a transformation accuracy "
            f"{_points(best['difference'])} higher than that of the last layer"
            f"{_content_change(rows, name, best['layer'])}."
        )
    better = fine["difference_low"] > 0
    if not better.any():
        return (
            f"In 0 of {_count(count)}, the layer that was selected on the validation set has a higher transformation "
            "accuracy than the last layer, with a 95% CI above 0."
        )
    best = by_difference[by_difference["difference_low"] > 0].to_dict("records")[0]
    name = str(best["base"])
    interval = f"95% CI {points_interval(best['difference_low'], best['difference_high'])}"
    return (
        f"In {int(better.sum())} of {_count(count)}, an intermediate layer, selected on the validation set, has "
        f"a higher transformation accuracy than the last layer with a 95% CI above 0, by up to "
        f"{_points(best['difference'])} ({interval}) at layer {best['layer']:.0f} of {title(name)}"
        f"{_content_change(rows, name, best['layer'])}."
    )


def _count(networks: int) -> str:
    return f"{networks} network{'' if networks == 1 else 's'}"


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} percentage points"


def _content_change(rows: pd.DataFrame, name: str, layer: float) -> str:
    """Format the content accuracy of a layer minus that of the last layer as a clause, empty if it was not measured."""
    content = rows[(rows["task"] == "content") & (rows["base"] == name) & (rows["layer"] == layer)]
    if content.empty:
        return ""
    difference = float(content["difference"].iloc[0])
    return f"; its content accuracy is {'lower' if difference < 0 else 'higher'} by {_points(abs(difference))}"


GOING_TOGETHER = 0.3
"""Minimum rank correlation for stating that one quantity increases with another."""


def shift_finding(points: pd.DataFrame, model: str) -> str:
    """Return a sentence on whether transformations with a larger embedding shift have higher recall.

    The sentence is empty if there are fewer than three transformations.

    Args:
        points: rows of `summaries.shifts`.
        model: display name of the model.
    """
    points = points[points["group"] != "identity"]
    if len(points) < 3:
        return ""
    rho = float(points["value"].rank().corr(points["value_recall"].rank()))
    if rho >= GOING_TOGETHER:
        result = f"The further a transformation shifts embeddings of {model}, the higher its recall"
    else:
        result = f"A larger shift of the embeddings of {model} does not mean higher recall"
    return f"{result}: rank correlation {minus(f'{rho:.2f}')} over {len(points)} transformations."


def _interval(row: pd.Series, digits: int = 0) -> str:
    return interval_in_percent(row["low"], row["high"], digits, TOO_FEW)


def _level(board: pd.DataFrame, title: Callable[[str], str]) -> str:
    """Return the models that are not significantly different from the best model as text in parentheses, if any."""
    other_rows = board.iloc[1:]
    other_rows = other_rows[has_place(other_rows)]
    level = other_rows.loc[~other_rows["apart"].astype(bool), "model"].map(title).tolist()
    if not level:
        return ""
    names = " and ".join(filter(None, (", ".join(level[:-1]), level[-1])))
    if len(level) > MAX_NAMED:
        names = f"{len(level)} of the {len(other_rows)} others"
    return f" (not significantly different from {names})"


def originals_finding(run: RunTables, title: Callable[[str], str] = str) -> str:
    """Return a sentence on how often the best encoder retrieves the original of an edited image.

    If a baseline is better, its recall is also stated. The sentence is empty if retrieval was not measured.
    """
    boards, rows = _rankings(run, "original"), run.table(layout.table_path("retrieval"))
    if not boards or rows.empty:
        return ""
    best = boards[-1].iloc[0]
    name = f"{title(best['model'])}{_level(boards[-1], title)}"
    if len(boards) == 1:
        return f"{name} retrieves the original of {in_percent(best['value'])} of edited images."
    baseline = boards[0].iloc[0]
    return (
        f"The best encoder, {name}, retrieves the original of {in_percent(best['value'])} of edited images; the "
        f"baseline {title(baseline['model'])} retrieves {in_percent(baseline['value'])}."
    )


def recall_finding(rows: pd.DataFrame, found: str, title: Callable[[str], str] = str) -> str:
    """Return a sentence on the best encoder for an edit, and on the best baseline if it has a higher recall.

    Args:
        rows: rows of `recall_by_edit` for one edit.
        found: what is found, such as "the original of images with JPEG".
        title: function that formats the name of a model.
    """
    rows = rows.sort_values("value", ascending=False, kind="stable")
    encoders, baselines = rows[~is_baseline(rows["model"])], rows[is_baseline(rows["model"])]
    ranked, kind = (encoders, "encoder") if len(encoders) else (baselines, "baseline")
    best, equal = ranked.iloc[0], int(level_with_best(ranked, "transform").sum()) - 1
    others = f"; {equal} other {kind}{'' if equal == 1 else 's'} not significantly below" if equal > 0 else ""
    text = (
        f"The best {kind}, {title(best['model'])}, retrieves {found} in {in_percent(best['value'], 1)} of cases "
        f"({_interval(best, 1)}{others})"
    )
    if len(encoders) and len(baselines) and baselines["value"].iloc[0] > best["value"]:
        baseline = baselines.iloc[0]
        text += f"; the baseline {title(baseline['model'])}: {in_percent(baseline['value'], 1)}"
    return f"{text}."


def _rankings(run: RunTables, use: str) -> list[pd.DataFrame]:
    """Return the non-empty rankings for a task: of all models and, if a baseline ranks first, of encoders only."""
    board = ordered(run, use)
    leads = not board.empty and is_baseline(board["model"]).iloc[0]
    return [ranking for ranking in (board, *([ordered(run, use, learned=True)] if leads else [])) if not ranking.empty]


ORIGIN = (
    "This tool is based on “Substance or Style: What Does Your Image Embedding Know?” (arXiv 2307.05610). The protocol "
    "was reconstructed from the abstract. No numbers are from the paper."
)
PROTOCOL = (
    "Every crop is resampled exactly once, in the same way for every class, from a source that is larger than the "
    "view. The classes therefore cannot be distinguished by resampling or borders.",
    "In each repetition, every crop has one sample in each class and a second clean sample as a reference. Strengths "
    "are drawn at random from the range of the transformation. They depend on the seed, the crop and the "
    "transformation, and are the same for all models.",
    "All models embed the same samples, with the preprocessing of their checkpoints.",
    "All samples of a photograph are in the same split. No choices are made based on test photographs.",
    "Intervals are 95% percentile bootstrap intervals clustered by photograph (2,000 resamples), or t intervals for "
    "fewer than 20 photographs. Near 0% and 100%, they are Wilson intervals with the effective number of photographs. "
    "Intervals of differences are Tango intervals if fewer than half of the photographs differ. They are not corrected "
    "for multiple testing. A difference is significant if its corrected p-value is at most 0.05. "
    "Models are compared with paired sign-flip tests by photograph, adjusted for all pairs (Westfall and Young).",
)
MODES = {
    "cross-validation": "The run has fewer than 30 photographs, so linear probes are evaluated with cross-validation "
    "over at most five groups of photographs. All probes for a model have the same fixed penalty, which is "
    "proportional to the embedding dimension.",
    "split": "Linear probes are trained on the train split. Their penalty is selected on the val split, and they are "
    "evaluated on the test split.",
}


def how_trained(run: RunTables) -> str:
    return MODES["split" if has_splits(run.images) else "cross-validation"]


def about_probe_rows(kinds_by_rows: Mapping[str, Sequence[str]], titles: Mapping[str, str]) -> str:
    """Return sentences on which kinds of probes were trained on the same samples.

    Args:
        kinds_by_rows: result of `probing_core.results.ranking.rows_of_probes`.
        titles: kind of probe -> title. Other kinds are not mentioned.
    """
    if len(kinds_by_rows) == 1:
        (note,) = kinds_by_rows
        return f"All kinds of probes are trained and tested on the same samples{f' ({note})' if note else ''}."
    sentences = []
    for note, kinds in kinds_by_rows.items():
        rows = note or "trained on all training samples"
        kinds_in_words = ", ".join(titles[kind] for kind in kinds if kind in titles)
        sentences.append(f"{rows[0].upper()}{rows[1:]}: {kinds_in_words}.")
    return f"Probes in the same sentence were trained on the same samples. {' '.join(sentences)}"


def about_selected_settings(run: RunTables) -> str:
    """Return a sentence on the settings of linear probes and MLPs that are selected on validation photographs.

    Earlier versions trained MLPs with fixed settings, and their tables of fits have no column ``dropout``.
    """
    is_selected = "dropout" in run.fits.columns and run.fits["dropout"].notna().any()
    if is_selected:
        return (
            "The penalty of a linear probe, and the weight decay, dropout and number of epochs of an MLP, are selected "
            "on validation photographs."
        )
    return (
        "The penalty of a linear probe and the number of epochs of an MLP are selected on validation photographs. The "
        "MLPs in this run have a fixed weight decay and no dropout."
    )


def about_fits(run: RunTables) -> str:
    fits = run.fits
    return (
        f"{len(fits):,} probes were trained. The selected penalty is at the edge of the grid for "
        f"{int(fits['at_edge'].sum())} of them, and {int((~fits['converged']).sum())} did not converge."
    )


def about_visibility(run: RunTables) -> str:
    samples = run.sample_columns("group", "visible")
    changed = samples[samples["group"] != "identity"]
    invisible = int((~changed["visible"]).sum())
    return (
        f"The transformation is invisible in {invisible:,} of {len(changed):,} transformed samples (SSIM above 0.99 or "
        "a mean difference below 2 on a scale from 0 to 255). The “visible” subset excludes these samples."
    )


def about_images(run: RunTables) -> str:
    """Return sentences on the corpus of the run and the numbers of photographs, crops and samples."""
    used = run.images[run.images["used"]]
    tested, times = int((used["split"] == "test").sum()), run.recipe.repetitions
    learned = len(set(run.recipe.transforms) - run.far - {"identity"})
    owner = "each test crop" if tested else "each crop"
    far = f", and {owner} has one sample per unseen style ({len(run.far)})" if run.far else ""
    excluded = f"{len(run.images) - len(used):,}" if len(run.images) > len(used) else "no"
    text = (
        f"Corpus {run.recipe.corpus}, fingerprint {run.recipe.fingerprint[:12]}...: {len(used):,} crops of "
        f"{used['base_id'].nunique():,} photographs are used, and {excluded} crops are excluded. "
        f"Each crop has two clean samples and one sample per transformation ({learned}), in {times} "
        f"repetition{'' if times == 1 else 's'}{far}: {run.sample_count:,} samples in total."
    )
    if not tested:
        return text
    return (
        f"{text} The Explore page shows the samples of the {tested:,} test crops, with one clean sample each and "
        "without unseen styles."
    )


def about_training_data(run: RunTables) -> dict[str, str]:
    """Return sentences on the training data of the encoders, and on whether it contains photographs of the run.

    Returns:
        Display names of models -> sentences without a subject.
    """
    used = run.images[run.images["used"]]
    is_known = bool(len(used)) and used["held_out"].astype(bool).all()
    names = networks(with_place(run.models["name"]))
    encoders = run.models[run.models["name"].isin(names) & ~is_baseline(run.models["name"])]
    is_zoo = encoders["name"].str.startswith("zoo/")
    unseen = (
        f"None of the {used['base_id'].nunique():,} photographs of this run is in the training data, and no zoo "
        f"encoder was trained on any of their {used['label'].nunique()} labels. However, training "
        "photographs from the same collection as this run are similar in style."
    )
    sentences = {}
    for (of_zoo, data), rows in encoders.groupby([is_zoo, encoders["data"].fillna("")], sort=False):
        model_kind = "Zoo encoders" if of_zoo else ", ".join(map(model_title, rows["name"]))
        trained = f"{'were' if of_zoo or len(rows) > 1 else 'was'} trained on {data or 'unknown images'}"
        unchecked = ", which may include photographs of this run. This was not checked."
        sentences[model_kind] = f"{trained}. {unseen}" if of_zoo and is_known else f"{trained}{unchecked}"
    return sentences | {"Baselines": "were not trained on images."}


def entries_of(recipe: Mapping[str, Any]) -> pd.DataFrame:
    """Return the entries of a recipe as a table with the columns ``entry`` and ``value``.

    Names of nested entries are joined with commas, such as ``preprocessing, crop``.
    """
    (flat,) = pd.json_normalize(dict(recipe), sep=", ").to_dict("records")
    values = [", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in flat.values()]
    return pd.DataFrame({"entry": list(flat), "value": values})
