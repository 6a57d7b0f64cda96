"""Inside: where in a network it is known what was done, what is recognized unseen, and how far an embedding moves."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.page import page
from dashboard.text import hint, in_bold, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import (
    LAYER_TASKS,
    PERCENT,
    confusion_chart,
    dots_chart,
    layers_chart,
    members_chart,
    shift_chart,
    variance_chart,
)
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, model_title, transform_title
from probing_core.measures.seeds import with_place
from probing_core.results import Run, sentences, summaries
from probing_core.results.ranking import in_order, is_baseline, scores_of

PARTS = {"blocks": "Blocks", "unseen": "Never seen", "shift": "How far"}

FEW = 8
"""Most networks in one chart; if there are more, the zoo's objectives and the best of the others are drawn."""


@page("Inside", "Where a network knows what was done, what it recognizes unseen, and how far its embedding moves.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` goes on with it.")
        return
    part, place = pickers.tab(PARTS)
    with place:
        {"blocks": _blocks, "unseen": _unseen, "shift": _shift}[part](run)


def _default(run: Run) -> str:
    """Return the best encoder of which blocks were studied; empty where there is none."""
    blocks = cache.computed(run, summaries.layers)
    scored = scores_of(run, "fine", "seen")
    if blocks.empty or scored.empty:
        return ""
    ranked = in_order(scored)["model"]
    able = ranked[ranked.isin(blocks["base"]) & ~is_baseline(ranked)]
    return str(able.iloc[0]) if len(able) else ""


def _blocks(run: Run) -> None:
    rows = cache.computed(run, summaries.layers)
    if rows.empty:
        messages.empty(tables.why_none(run) + " Models that are no networks have no blocks.")
        return
    messages.finding(sentences.layers_finding(rows, in_bold))
    first = rows[rows["base"].isin(_plain(rows["base"]))]
    tables.chart(layers_chart(first, cache.theme()), "layers", rows, "Balanced accuracy by block and task.")
    learned, every = cache.computed(run, summaries.images_of_blocks)
    fewer = (
        f" These scores are not comparable with those of the Leaderboard: its probes learn from {every:,} images and "
        f"these from {learned:,}, and a network may make its embedding by layers after its last block."
        if 0 < learned < every
        else ""
    )
    st.caption(
        "A linear probe of each block, from the first to the last. Dotted: chance. Rest on a point for its "
        f"95\N{NO-BREAK SPACE}% interval. {_drawn(rows['base'], first['base'])}{fewer}"
    )
    with st.expander("The best block of each network, chosen on photographs that are not scored"):
        _best(rows)


def _drawn(models: pd.Series, drawn: pd.Series) -> str:
    counted, shown = sentences.networks_of(models), set(drawn)
    out = [model_title(model) for model in counted if model not in shown]
    untrained = [model_title(model) for model in with_place(drawn) if model not in counted]
    words = f"Drawn are {len(counted) - len(out)} of the {len(counted)} encoders"
    words += f", and as a baseline {plain(' and '.join(untrained))}" if untrained else ""
    return f"{words}; not drawn: {plain('; '.join(out))}." if out else f"{words}."


def _plain(models: pd.Series) -> list[str]:
    """Return the models without repeated trainings, and without ablations where there are many."""
    names = with_place(models)
    if len(names) <= FEW:
        return names
    return [name for name in names if not any(name.startswith(f"{other}-") for other in names)]


def _best(rows: pd.DataFrame) -> None:
    best = summaries.best_layers(rows)
    table = pd.DataFrame(
        {
            "network": [model_title(base) for base in best["base"]],
            "task": best["task"].map(LAYER_TASKS),
            "block": [f"{layer} of {layers}" for layer, layers in zip(best["layer"], best["layers"], strict=True)],
            **best[["value", "low", "high"]],
        }
    )
    percent = {
        "value": ("score (%)", MEASURES.get("balanced-accuracy").definition),
        "low": ("from (%)", hint("interval")),
        "high": ("to (%)", hint("interval")),
    }
    tables.show_table(table, "best-layers", percent=percent)


def _unseen(run: Run) -> None:
    rotations = [task for task in run.tasks if task.startswith("group-")]
    rows = cache.computed(run, summaries.rotations)
    if not rotations or rows.empty:
        messages.empty(
            "This run has no group task: that takes groups with a member to learn from and one to be surprised by. "
            "A run with the whole bank of transformations has it."
        )
        return
    both = rows[rows["subset"].isin(["seen", "unseen"])]
    chance = float(both["chance"].median())
    chosen = pickers.pick_model(run, list(dict.fromkeys(both["model"])), default=_default(run))
    points = cache.computed(run, summaries.members, chosen)
    if len(points):
        gaps = summaries.gaps(points)
        first = gaps.iloc[0]
        messages.finding(
            f"{in_bold(chosen)} recognizes the group of a transformation in {in_percent(gaps['seen'].mean())} of "
            f"pictures where its probe has seen that transformation, and in {in_percent(gaps['unseen'].mean())} "
            f"where it has not. It loses most on **{plain(named(first['transform']))}**: "
            f"{in_percent(first['seen'])} to {in_percent(first['unseen'])}."
        )
        order = list(map(transform_title, gaps["transform"]))
        figure = members_chart(_titled(points), order, cache.theme(), chance)
        tables.chart(figure, "members", points, "Share of each transformation's samples whose group is recognized.")
        st.caption(
            "Each transformation is unseen in one of three divisions of the bank. The largest loss first. Dot: seen. "
            "Diamond: unseen, with its 95\N{NO-BREAK SPACE}% interval. Left of the dotted line guessing would do as "
            "well."
        )
    left, right = st.columns(2)
    with left:
        st.subheader("Every model", help=MEASURES.get("group-hit-rate").definition)
        _seen_against(both, ("seen", "unseen"), chance, "models")
        st.caption(
            "Filled: seen in training. Hollow: members of the same groups that were not. Means of the divisions."
        )
    with right:
        st.subheader("Far styles", help="Styles of other networks and pictures, none like those in training.")
        if (rows["subset"] == "far").any():
            far = rows[rows["subset"].isin(["seen", "far"])]
            _seen_against(far, ("seen", "far"), chance, "far")
            st.caption(
                "Hollow: pictures in styles of networks and paintings that no probe has seen. "
                f"{_far_in_words(far, chance)}"
            )
        else:
            messages.empty("This run has no far styles; `probing run --transforms bank,far-styles` makes one that has.")
    with st.expander("What unseen members are taken for"):
        _landing(run, chosen, rotations)


def _far_in_words(rows: pd.DataFrame, chance: float) -> str:
    far = rows[(rows["subset"] == "far") & rows["model"].isin(with_place(rows["model"]))]
    means = far.groupby("model")["value"].mean()
    below = int((means <= chance).sum())
    if not below:
        return ""
    return (
        f"{below} of the {len(means)} models recognize their group no more often than guessing would: their probes "
        "take most of these pictures for another group."
    )


def _seen_against(rows: pd.DataFrame, subsets: tuple[str, str], chance: float, key: str) -> None:
    shown = rows[rows["model"].isin(with_place(rows["model"]))]
    means = (shown.groupby(["model", "subset"], sort=False)["value"].mean() * 100).reset_index()
    order = means[means["subset"] == subsets[1]].sort_values("value", ascending=False)["model"].tolist()
    means = means[means["model"].isin(order)].sort_values(
        "model", key=lambda names: names.map(order.index), kind="stable"
    )
    dots = means.assign(name=means["model"].map(model_title), series=means["subset"])
    figure = dots_chart(
        dots, cache.theme(), "recognized (%); dotted: chance", marks=[100 * chance], ends=PERCENT, series=subsets
    )
    tables.chart(figure, key, rows, "Group recognized by model.")


def _titled(points: pd.DataFrame) -> pd.DataFrame:
    return points.assign(transform=points["transform"].map(transform_title))


def _landing(run: Run, model: str, rotations: list[str]) -> None:
    task = pickers.select(
        "Division of the bank", "rotation", rotations, names=pickers.TASK_NAMES, help=hint("rotation")
    )
    matrix, samples = cache.computed(run, summaries.landing, model, task)
    if matrix.empty:
        messages.empty("This model has no predictions of unseen transformations here; choose another division.")
        return
    titled = matrix.rename(index=transform_title, columns={"identity": "untouched"})
    figure = confusion_chart(titled, cache.theme(), axes=("unseen transformation", "taken for"))
    data = matrix.reset_index().melt("truth", value_name="percent")
    tables.chart(figure, "land", data, f"Group that {model} takes each unseen transformation for.")
    st.caption(f"{samples:,} samples of transformations that the probe never saw, in percent of each transformation.")


def _shift(run: Run) -> None:
    model = pickers.pick_model(run, default=_default(run))
    points = cache.computed(run, summaries.shifts, model)
    if points.empty:
        messages.empty(tables.why_none(run))
    else:
        messages.finding(sentences.shift_finding(points, in_bold(model), named))
        figure = shift_chart(_titled(points), cache.theme())
        tables.chart(figure, "shift-recall", points, f"Shift and recall of each transformation in {model}.")
        st.caption(
            "Right and low: a large move that the probe cannot name. Left and high: a small move that it recognizes. "
            "Rest on a dot for its name. "
            f"{hint('shift')} Untouched pictures move, too, since each view is cut anew, less than a pixel away."
        )
    rows = cache.study(run, "variance")
    if rows.empty:
        return
    st.header("How much of an embedding is look?", help=MEASURES.get("variance-share").definition)
    blocks = cache.computed(run, summaries.variance_of_layers)
    blocks = blocks if blocks.empty else blocks[blocks["model"] == model]
    left, right = (st.container(), None) if blocks.empty else st.columns(2)
    with left:
        content = rows[rows["part"] == "content"].sort_values("value", ascending=False)["model"]
        order = with_place(content)
        shown = rows[rows["model"].isin(order)].sort_values("model", key=lambda c: c.map(order.index), kind="stable")
        tables.chart(variance_chart(shown, cache.theme(), "model"), "variance", rows, "Parts of the variance by model.")
    if right is not None:
        with right:
            _variance_by_block(model, blocks, rows)
    st.caption(
        "Content: what stays of a photograph under every alteration. Look: what an alteration does to all photographs "
        "alike. Both together: what it does to some. Rest: what differs between two draws of its strength."
        + (f" Of the blocks of {plain(model_title(model))} this was not measured." if blocks.empty else "")
    )


def _variance_by_block(model: str, rows: pd.DataFrame, whole: pd.DataFrame) -> None:
    """Show the parts of the variance in each block of a model, and why they differ from those of ``whole`` models."""
    chosen = rows.sort_values("layer", kind="stable")
    blocks = chosen.assign(block="block " + chosen["layer"].astype(str))
    st.markdown(f"Blocks of {in_bold(model)}")
    figure = variance_chart(blocks, cache.theme(), "block")
    tables.chart(figure, "variance-layers", chosen, f"Parts of the variance in every block of {model}.")
    st.caption(
        f"Blocks are measured on {int(chosen['images'].max()):,} images in one repetition, which does not tell *both "
        f"together* from *rest*; whole models on {int(whole['images'].max()):,} images in "
        f"{int(whole['repetitions'].max())} repetitions. So the last block differs from its model, whose embedding may "
        "also be made by layers after that block."
    )


show()
