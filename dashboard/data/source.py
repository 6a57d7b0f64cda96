"""Title, source and colors of the pictures that are copied from charts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dashboard.data import cache
from probing_core import __version__
from probing_core.charts import Theme
from probing_core.errors import BadRun
from probing_core.results import Run

SOFTWARE = f"probing-core {__version__}"


def about_picture(title: str) -> dict[str, Any]:
    """Return title, source and colors of the pictures that are made of a chart; ``title`` is a sentence."""
    light = Theme()
    return {
        "title": title.removesuffix("."),
        "source": source(),
        "paper": {"background": light.background, "text": light.text, "muted": light.muted},
    }


def source() -> str:
    """Return what charts are of: the selected run with its photographs, models and date, and the software."""
    with suppress(BadRun):
        return cache.computed(cache.current_run(), source_of)
    return SOFTWARE


def source_of(run: Run) -> str:
    """Return what the charts of ``run`` are of."""
    photographs = run.images.loc[run.images["used"], "base_id"].nunique() if len(run.images) else 0
    counts = [(photographs, "photograph"), (len(run.models), "model")]
    facts = [f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts]
    return " · ".join([f"Run {run.name}", *facts, *filter(None, [run.completed_on]), SOFTWARE])
