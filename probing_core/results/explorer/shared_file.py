"""Write an HTML file with the ranking, the claims and the explorer. The file can be shared and opened offline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pandas as pd

from probing_core.measures.notation import counted, in_points, model_titles, percent_interval, points_interval
from probing_core.results.claim_sentences import (
    ABOUT_CLAIMS,
    claim_in_words,
    claims_by_set,
    differences,
    evidence_in_words,
    result_in_words,
)
from probing_core.results.explorer.data import (
    ABOUT_EXPLORER,
    SCRIPTS,
    ExplorerData,
    explorer_data,
    packed,
    shared_models,
    source,
)
from probing_core.results.explorer.public_names import public_names
from probing_core.results.explorer.sprite_sheets import IMAGES_OF, SHEET_COLUMNS, Sheets, fitting_sheets
from probing_core.results.explorer.tour import tour_of
from probing_core.results.ranking import has_place, in_order, is_baseline, leaderboard, scores_of, standings
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import pick
from probing_core.run import layout
from probing_core.run.files import write_atomically
from probing_core.run.progress import in_one_line
from probing_core.version import VERSION

TITLE = "What image embeddings encode about transformations"

MOST_BYTES = 25_000_000

SELECTION = '<script type="application/json" data-selection>{}</script>'

ABOUT_ZOO = (
    "Models marked (zoo) have the same architecture, training data and compute. They differ only in their objective."
)


@dataclass(frozen=True)
class SharedFile:
    """Summary of a shared file.

    Attributes:
        path: path of the file.
        bytes: size of the file.
        models: names of the models in the explorer.
        photographs: number of photographs in the file.
        crops: number of crops of these photographs.
        large: number of crops that are also included at `LARGE` pixels.
        licenses: license -> number of photographs.
        why_not: reason why the file contains no images, or an empty string if it contains images.
    """

    path: Path
    bytes: int
    models: tuple[str, ...]
    photographs: int
    crops: int
    large: int
    licenses: Mapping[str, int]
    why_not: str

    def __str__(self) -> str:
        models, photographs = counted(len(self.models), "model"), counted(self.photographs, "photograph")
        return f"{self.path}: {self.bytes / 1e6:.1f} MB, {models}, {photographs}."


def write_shared_file(
    run: RunTables,
    out: Path | str,
    models: Sequence[str] | None = None,
    pictures: Literal["all", "none"] = "all",
    announce: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[int, int], None] = lambda completed, total: None,
    most_bytes: int = MOST_BYTES,
    tour: str | None = None,
) -> SharedFile:
    """Write a single HTML file that shows ``run`` in a browser.

    Args:
        run: the run.
        out: path of the file.
        models: up to six models for the explorer. By default, `shared_models` are used.
        pictures: ``all``, or ``none`` to omit the images.
        announce: function that is called with a sentence on the number of photographs under each license before the
            images are computed.
        progress: function that is called with the number of completed crops and the total number.
        most_bytes: maximum size of the file. Images that do not fit are omitted.
        tour: name of a transformation. The file then begins with a tour of questions about it.

    Raises:
        UnknownName: the run has no such model or transformation.
        BadRun: a model does not have both a map and predictions.
    """
    data = explorer_data(run, shared_models(run) if models is None else models, near_in=IMAGES_OF)
    licenses, why_not = licenses_of(run, data) if pictures == "all" else ({}, "they were excluded")
    announce(leaving(data, licenses, why_not))
    public = _anonymous(run, data)
    steps = [asdict(step) for step in tour_of(public, tour)] if tour else []
    described, parts = packed(public)
    blob = _Blob()
    places = {name: blob.put(part) for name, part in parts.items()}
    header: dict[str, Any] = {"data": described, "parts": places, "images": None, "tour": steps}
    lead, tables = _lead(run), _leaderboard(run) + _claims(run)
    sheets: list[Sheets] = []
    if not why_not:
        room = most_bytes - len(_page(header, blob, lead, tables, licenses, why_not).encode()) - 120 * len(data.crops)
        sheets = fitting_sheets(run, data, room, progress)
        if sheets:
            header["images"] = {
                "columns": SHEET_COLUMNS,
                "repetition": IMAGES_OF,
                "small": [blob.put(crop_sheets.small) for crop_sheets in sheets],
                "large": {
                    crop: blob.put(crop_sheets.large) for crop, crop_sheets in enumerate(sheets) if crop_sheets.large
                },
                "full": [crop_sheets.full for crop_sheets in sheets],
            }
        else:
            why_not, licenses = "they do not fit into the file", {}
    path = Path(out)
    write_atomically(path, _page(header, blob, lead, tables, licenses, why_not).encode())
    names = tuple(model.name for model in data.models)
    photographs = photograph_count(data) if sheets else 0
    large = sum(bool(crop_sheets.large) for crop_sheets in sheets)
    return SharedFile(path, path.stat().st_size, names, photographs, len(sheets), large, licenses, why_not)


def with_selection(run: RunTables, content: bytes, selection: Mapping[str, Any] | None) -> bytes:
    """Set the initial selection in a file that was written by `write_shared_file`.

    Args:
        run: run from which the file was written.
        content: content of the file.
        selection: selection as reported by the explorer, or None for no selection.

    Returns:
        The content of the file with the selection.
    """
    names = public_names(run.models["name"])
    opened = dict(selection or {})
    opened |= {slot: names[opened[slot]] for slot in ("a", "b") if opened.get(slot) in names}
    before, after = (SELECTION.format(text).encode() for text in ("null", _json(opened)))
    return content.replace(before, after, 1)


@dataclass(frozen=True)
class Shown:
    """Shared file for display in a notebook."""

    text: str

    def _repr_html_(self) -> str:
        frame = "width:100%;height:920px;border:0"
        return f'<iframe title="{escape(TITLE)}" style="{frame}" srcdoc="{escape(self.text)}"></iframe>'

    def __repr__(self) -> str:
        return f"<Explorer of a run, {len(self.text) / 1e6:.1f} MB. Display it in a notebook.>"


def shown(run: RunTables, models: Sequence[str] | None, pictures: Literal["all", "none"]) -> Shown:
    progress = in_one_line()
    with TemporaryDirectory() as folder:
        file = write_shared_file(
            run,
            Path(folder) / "run.html",
            models,
            pictures,
            progress.note,
            lambda completed, total: progress.update("Images", completed, total),
        )
        progress.close()
        return Shown(file.path.read_text(encoding="utf-8"))


def licenses_of(run: RunTables, data: ExplorerData) -> tuple[dict[str, int], str]:
    """Count the photographs in the file by license.

    Returns:
        License -> number of photographs; and the reason why the file has no photographs, or an empty string.
    """
    if run.pictures.why_not:  # this message is not used, because it may contain a path
        return {}, "the images of this run are not available on the computer that wrote the file"
    by_photograph = dict(zip(data.photographs.tolist(), data.licenses, strict=True))
    return dict(Counter(name or "an unknown license" for name in by_photograph.values()).most_common()), ""


def photograph_count(data: ExplorerData) -> int:
    return len(np.unique(data.photographs))


def leaving(data: ExplorerData, licenses: Mapping[str, int], why_not: str = "") -> str:
    """Return a sentence on the number of photographs in the file and their licenses."""
    if why_not:
        return f"The file contains no photographs: {why_not}."
    photographs, crops = photograph_count(data), len(data.crops)
    of_crops = f" ({crops:,} crops)" if crops != photographs else ""
    return (
        f"The file contains {photographs:,} photographs{of_crops} and their transformed versions, {_under(licenses)}."
    )


def _under(licenses: Mapping[str, int]) -> str:
    if len(licenses) == 1:
        return f"all under {next(iter(licenses))}"
    return "; ".join(f"{count:,} under {name}" for name, count in licenses.items())


def _anonymous(run: RunTables, data: ExplorerData) -> ExplorerData:
    names = public_names([*run.models["name"], *(model.name for model in data.models)])
    titles = model_titles(names[model.name] for model in data.models)
    models = (replace(m, name=names[m.name], title=titles[names[m.name]]) for m in data.models)
    return replace(data, models=tuple(models))


class _Blob:
    """Binary data of a page, encoded as base64 text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0

    def put(self, data: bytes) -> list[int]:
        text = base64.b64encode(data).decode()
        self.texts.append(text)
        self.size += len(text)
        return [self.size - len(text), len(text)]


def _page(
    header: Mapping[str, Any], blob: _Blob, lead: str, tables: str, licenses: Mapping[str, int], why_not: str
) -> str:
    script, style = source(*SCRIPTS, "shared_file.js"), source("explorer.css", "shared_file.css")
    values = {
        "title": escape(TITLE),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "lead": escape(lead),
        "tables": tables,
        "footer": escape(f"{_contained(licenses, why_not)} Created with probing_core {VERSION}."),
        "selection": SELECTION.format("null"),
        "header": _json(header),
        "bytes": "".join(blob.texts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], source("shared_file.html"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    """Serialize ``value`` as JSON that is safe inside a script element. Characters that could end it are escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _lead(run: RunTables) -> str:
    today = date.today()
    name = f"\N{LEFT DOUBLE QUOTATION MARK}{run.name}\N{RIGHT DOUBLE QUOTATION MARK}"
    return f"Run {name}, {today.day} {today:%B %Y}. {ABOUT_EXPLORER} All views share one selection."


def _contained(licenses: Mapping[str, int], why_not: str) -> str:
    return f"No photographs: {why_not}." if why_not else f"{sum(licenses.values()):,} photographs, {_under(licenses)}."


def _leaderboard(run: RunTables) -> str:
    # As on the Models page, encoders are compared with the best encoder, and baselines are not compared.
    board = leaderboard(run, "fine", "seen", baselines=False)
    tested = "Encoders are compared with the best encoder. Untrained baselines are not compared."
    if board.empty:
        board, tested = leaderboard(run, "fine", "seen"), "Baselines are compared with the best baseline."
    if board.empty:
        return ""
    every = in_order(scores_of(run, "fine", "seen"))
    every = every[has_place(every)]
    names = public_names(every["model"])
    titles = model_titles(names.values())
    baseline, against = is_baseline(every["model"]), standings(every, board)
    zoo = f" {ABOUT_ZOO}" if every["model"].str.startswith("zoo/").any() else ""
    rows = "".join(
        _board_row(row, name, titles[name], comparison, pale)
        for row, name, comparison, pale in zip(
            every.itertuples(), names.values(), against, baseline.tolist(), strict=True
        )
    )
    return (
        "<section><h2>Which model encodes the most about transformations?</h2>"
        '<p class="quiet">Balanced accuracy of a linear probe that predicts the transformation of test samples from '
        "the embedding, with 95% CI over photographs. "
        f"Chance: {100 * float(board['chance'].iloc[0]):.1f}%. {tested}{zoo}</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Ranking"><table class="board"><thead><tr>'
        '<th scope="col">model</th><th scope="col" class="n">accuracy</th>'
        '<th scope="col" class="n">95% CI</th><th scope="col">0 to 100%</th>'
        '<th scope="col">compared with the best</th><th scope="col">objective</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _board_row(row: Any, name: str, title: str, against: str, pale: bool) -> str:
    value, low, high = (f"{100 * number:.1f}" for number in (row.value, row.low, row.high))
    bar = (
        '<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect y="2" height="8" width="{value}"/><line x1="{low}" x2="{high}" y1="6" y2="6"/></svg>'
    )
    cells = (
        f'<th scope="row" title="{escape(name)}">{escape(title)}</th>'
        f'<td class="n">{value}%</td>'
        f'<td class="n">{percent_interval(row.low, row.high)}</td>'
        f"<td>{bar}</td>"
        f"<td>{escape(against)}</td>"
        f"<td>{escape(row.objective)}</td>"
    )
    return f"<tr{' class=pale' if pale else ''}>{cells}</tr>"


def _claims(run: RunTables) -> str:
    contrasts = run.table(layout.CONTRASTS)
    table = run.table(layout.CLAIMS)
    if table.empty:
        return ""
    parts = []
    for title, rows in claims_by_set(table).items():
        details = "".join(
            f'<details class="claim"><summary>{escape(claim_in_words(row))} '
            f"<b>{escape(result_in_words(row))}</b></summary><p>{escape(evidence_in_words(row))}</p>"
            f"{_differences(pick(contrasts, set=row['set'], claim=row['claim']))}</details>"
            for row in rows.to_dict("records")
        )
        parts.append(f"<section><h2>{escape(title)}</h2><p class='quiet'>{escape(ABOUT_CLAIMS)}</p>{details}</section>")
    return "".join(parts)


def _differences(contrasts: pd.DataFrame) -> str:
    if contrasts.empty:
        return ""
    rows, over = differences(contrasts)
    body = "".join(
        f'<tr><th scope="row">{escape(row["name"])}</th><td class="n">{in_points(row["value"] / 100)}</td>'
        f'<td class="n">{points_interval(row["low"] / 100, row["high"] / 100)}</td>'
        f"<td>{row['series']}</td></tr>"
        for row in rows.to_dict("records")
    )
    return (
        '<div class="wide"><table class="board"><thead><tr><th scope="col">difference</th><th scope="col" class="n">'
        f'percentage points</th><th scope="col" class="n">95% CI over {over}</th><th scope="col">after '
        f"correction</th></tr></thead><tbody>{body}</tbody></table></div>"
    )
