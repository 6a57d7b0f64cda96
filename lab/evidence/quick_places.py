"""Validation of the quick protocol: ``python -m lab.evidence.quick_places [RUN] [--time MODELS]``.

Each ranked model of RUN (by default the reference run) is left out and ranked among the other models with the quick
protocol. The command prints the rank of each model under the full protocol, its rank interval according to the quick
protocol, how often the interval contains the rank, Kendall's tau between the accuracies under the two protocols, and
half-widths of 95% CIs.
``--time`` also ranks the named models without the cache and prints the durations in seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from probing_core.api.rank import quick_samples
from probing_core.api.score import computed, recipes_of
from probing_core.compute.task_names import MAIN
from probing_core.errors import BadRun
from probing_core.measures.notation import in_percent
from probing_core.results.quick_ranking import QuickRanking, quick_ranking
from probing_core.results.ranking import has_place, in_order, is_baseline, scores_of
from probing_core.results.run import Run, open_run
from probing_core.run.layout import QUICK
from probing_core.run.pipeline import quick_model
from probing_core.run.progress import SILENT


def places_of(run: Run) -> pd.DataFrame:
    """Rank each model of a run among the other models with the quick protocol (see `leave_one_out`).

    Raises:
        BadRun: the run has no results of the quick protocol.
    """
    quick = run.table(QUICK)
    if quick.empty:
        raise BadRun(f"The run '{run.path}' has no results of the quick protocol. Evaluate it again.")
    groups = {transform.name: transform.group for transform in run.recipe.design.transforms}
    return leave_one_out(in_order(scores_of(run, "fine", "all")), quick, groups)


def leave_one_out(board: pd.DataFrame, quick: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Rank each model among the other models with the quick protocol.

    Args:
        board: ``model``, ``value`` (accuracy under the full protocol) and ``seed_of``, best first.
        quick: table ``quick`` of the run.
        groups: transformation -> group.

    Returns:
        One row for each model that has a place: ``model``, ``place`` and ``value`` by all samples, ``first`` and
        ``last``, the places that the quick protocol leaves open, whether these contain ``place``, the
        ``quick_value``, and the half-widths of its 95% CI and, on average, of the differences to others.
    """
    placed = board[has_place(board) & board["model"].isin(quick["model"])].reset_index(drop=True)
    rows = []
    for place, row in enumerate(placed.itertuples(), 1):
        model = str(row.model)
        ranking = quick_ranking(model, quick[quick["model"] == model], quick, groups, 0, 0)
        first, last = ranking.places
        rows.append(
            {
                "model": model,
                "place": place,
                "value": row.value,
                "first": first,
                "last": last,
                "contains": first <= place <= last,
                "quick_value": ranking.quick_accuracy,
                **_half_widths(ranking),
            }
        )
    return pd.DataFrame(rows)


def _half_widths(ranking: QuickRanking) -> dict[str, float]:
    board = ranking.board.set_index("model")
    own_row, other_rows = board.loc[ranking.model], board.drop(ranking.model)
    return {
        "half_width": float(own_row["high"] - own_row["low"]) / 2,
        "half_width_difference": float((other_rows["difference_high"] - other_rows["difference_low"]).mean()) / 2,
    }


def agreement(places: pd.DataFrame) -> float:
    """Return Kendall's tau between accuracy under the quick and the full protocol."""
    return float(kendalltau(places["value"], places["quick_value"]).statistic)


def summary(places: pd.DataFrame) -> str:
    """Return the results over all models in Markdown."""
    zoo = places[places["model"].str.startswith("zoo/")]
    encoders = places[~is_baseline(places["model"])]
    taus = [f"{agreement(models):.2f}" for models in (places, encoders, zoo)]
    widths = [f"{100 * places[c].mean():.1f} percentage points" for c in ("half_width", "half_width_difference")]
    lines = [
        [
            "models whose rank interval contains their rank by accuracy under the full protocol",
            f"{int(places['contains'].sum())} of {len(places)}",
        ],
        ["mean number of ranks in the rank interval", f"{(places['last'] - places['first'] + 1).mean():.1f}"],
        [
            "Kendall's tau between the quick and the full protocol, for all models / encoders / zoo encoders",
            " / ".join(taus),
        ],
        ["mean half-width of the 95% CI of accuracy under the quick protocol", widths[0]],
        ["mean half-width of the 95% CI of the difference between two models", widths[1]],
    ]
    return markdown_table(["statistic", "value"], lines)


def seconds(base: Run, model: str) -> float:
    """Return the duration of the quick protocol in seconds, including starting processes and loading weights."""
    begin = time.perf_counter()
    scored, recipes = quick_samples(base), recipes_of(model, "cpu")
    computed(scored, model, recipes, quick_model, (MAIN,), "cpu", False, SILENT, lambda run, folder: None)
    return time.perf_counter() - begin


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--time", default="", metavar="MODELS", help="comma-separated models whose ranking is timed")
    options = parser.parse_args()
    run = open_run(options.run)
    places = places_of(run)
    durations = {model: seconds(run, model) for model in options.time.split(",") if model}
    lines = [
        [
            f"`{row.model}`",
            str(row.place),
            f"{row.first} to {row.last}",
            in_percent(float(row.value), 1),
            in_percent(float(row.quick_value), 1),
            f"{durations[row.model]:.0f}" if row.model in durations else "",
        ]
        for row in places.itertuples()
    ]
    head = ["model", "rank", "rank interval of the quick protocol", "accuracy", "quick accuracy", "seconds"]
    print(f"{summary(places)}\n\n{markdown_table(head, lines)}")


if __name__ == "__main__":
    sys.exit(main())
