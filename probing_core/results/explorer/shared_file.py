"""One HTML file to send: leaderboard, claims and the explorer, opened from disk without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd

from probing_core.cores import cores
from probing_core.images import encode_webp
from probing_core.measures.notation import in_points, minus, model_titles
from probing_core.results.claim_sentences import (
    ABOUT_CLAIMS,
    claim_in_words,
    claims_by_set,
    differences,
    evidence_in_words,
    result_in_words,
    with_numbers,
)
from probing_core.results.explorer.data import ABOUT_EXPLORER, SCRIPTS, ExplorerData, explorer_data, packed, source
from probing_core.results.pictures import PicturesMissing
from probing_core.results.ranking import has_place, in_order, is_baseline, leaderboard, scores_of, standings
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import pick
from probing_core.run import layout
from probing_core.run.files import write_atomically
from probing_core.run.progress import in_one_line
from probing_core.transforms.base import Image
from probing_core.transforms.view import source_side
from probing_core.version import VERSION

TITLE = "What an embedding knows about how a picture was altered"
NBSP = "\N{NO-BREAK SPACE}"

MOST_BYTES = 25_000_000
SMALL, LARGE = 64, 128
"""Sides in pixels of the pictures in the views, and of those in the dialog."""

COLUMNS = 8
QUALITY = 72
GROUND = 154
"""Gray level next to a photograph that is not square."""

ABOUT_ZOO = (
    "Models marked (zoo) are one network, trained with the same pictures and budget, each with another objective."
)

PATH = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:)?[/\\](?:[^\s@,/\\]+[/\\])+")
"""The folders of an absolute path within the name of a model."""


@dataclass(frozen=True)
class SharedFile:
    """What was written.

    Attributes:
        bytes: size of the file.
        models: exact names of the models in its explorer.
        photographs: number of photographs in it.
        large: number of crops of these that it also holds at `LARGE` pixels.
        licenses: license -> number of photographs under it.
        why_not: why it holds no pictures; empty where it does.
    """

    path: Path
    bytes: int
    models: tuple[str, ...]
    photographs: int
    large: int
    licenses: Mapping[str, int]
    why_not: str

    def __str__(self) -> str:
        return f"{self.path}: {self.bytes / 1e6:.1f} MB, {len(self.models)} models, {self.photographs} photographs."


def write_shared_file(
    run: RunTables,
    out: Path | str,
    models: Sequence[str] | None = None,
    pictures: Literal["all", "none"] = "all",
    announce: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    most_bytes: int = MOST_BYTES,
) -> SharedFile:
    """Write one HTML file that shows ``run`` to somebody who has installed nothing.

    Args:
        models: up to six models of the explorer; by default `default_models`.
        pictures: ``none`` leaves the photographs out.
        announce: receives a sentence on how many photographs of which license leave this machine, before any does.
        progress: (done, total) photographs.
        most_bytes: largest size of the file; pictures are left out where they do not fit.

    Raises:
        UnknownName: the run has no such model.
        BadRun: a model has no map or no predictions.
    """
    data = explorer_data(run, models, repetition=0)
    licenses, why_not = licenses_of(run, data) if pictures == "all" else ({}, "they were left out")
    announce(leaving(licenses, why_not))
    described, parts = packed(_anonymous(data))
    blob = _Blob()
    places = {name: blob.put(part) for name, part in parts.items()}
    header: dict[str, Any] = {"data": described, "parts": places, "pictures": None}
    lead, tables = _lead(run, data), _leaderboard(run) + _claims(run)
    sheets: list[_Sheets] = []
    if not why_not:
        room = most_bytes - len(_page(header, blob, lead, tables, licenses, why_not).encode()) - 120 * len(data.images)
        sheets = _fitting_sheets(run, data, room, progress)
        if sheets:
            header["pictures"] = {
                "columns": COLUMNS,
                "small": [blob.put(one.small) for one in sheets],
                "large": {photo: blob.put(one.large) for photo, one in enumerate(sheets) if one.large},
                "whole": [one.whole for one in sheets],
            }
        else:
            why_not, licenses = "they do not fit into the file", {}
    path = Path(out)
    write_atomically(path, _page(header, blob, lead, tables, licenses, why_not).encode())
    names = tuple(model.name for model in data.models)
    large = sum(bool(one.large) for one in sheets)
    return SharedFile(path, path.stat().st_size, names, sum(licenses.values()), large, licenses, why_not)


@dataclass(frozen=True)
class Shown:
    """The file, shown in a notebook."""

    text: str

    def _repr_html_(self) -> str:
        frame = "width:100%;height:920px;border:0"
        return f'<iframe title="{escape(TITLE)}" style="{frame}" srcdoc="{escape(self.text)}"></iframe>'

    def __repr__(self) -> str:
        return f"<The explorer of a run, {len(self.text) / 1e6:.1f} MB: a notebook shows it>"


def shown(run: RunTables, models: Sequence[str] | None, pictures: Literal["all", "none"]) -> Shown:
    progress = in_one_line()
    with TemporaryDirectory() as folder:
        file = write_shared_file(
            run,
            Path(folder) / "run.html",
            models,
            pictures,
            progress.note,
            lambda done, total: progress.update("Pictures", done, total),
        )
        progress.close()
        return Shown(file.path.read_text(encoding="utf-8"))


def licenses_of(run: RunTables, data: ExplorerData) -> tuple[dict[str, int], str]:
    """Return how many photographs under which license are in the file, and why it has none; several crops of one
    photograph count once."""
    if why_not := run.pictures.why_not:
        return {}, why_not[:1].lower() + why_not[1:].removesuffix(".")
    of_photographs = dict(zip(data.photographs, data.licenses, strict=True))
    return dict(Counter(one or "no license stated" for one in of_photographs.values()).most_common()), ""


def leaving(licenses: Mapping[str, int], why_not: str = "") -> str:
    if why_not:
        return f"No photograph leaves this machine: {why_not}."
    total = sum(licenses.values())
    each = "; ".join(f"{count:,} under {name}" for name, count in licenses.items())
    return f"The file contains {total:,} photographs and their edited versions: {each}."


def _anonymous(data: ExplorerData) -> ExplorerData:
    models = tuple(replace(m, name=PATH.sub("", m.name), title=PATH.sub("", m.title)) for m in data.models)
    return replace(data, models=models)


class _Blob:
    """Base64 of the bytes that a page holds, in one text."""

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
        "footer": escape(f"{_taken(licenses, why_not)} Written with probing_core {VERSION}."),
        "header": _json(header),
        "bytes": "".join(blob.texts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], source("shared_file.html"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    """Return JSON that is safe inside a script element: no label can end that element or begin another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _lead(run: RunTables, data: ExplorerData) -> str:
    today, times = date.today(), run.recipe.repetitions
    part = (
        f" The explorer holds one of {times} repetitions, {len(data.images):,} images in every class; leaderboard "
        f"and claims are over all {times}."
        if times > 1
        else ""
    )
    return (
        f"Run \N{LEFT DOUBLE QUOTATION MARK}{run.name}\N{RIGHT DOUBLE QUOTATION MARK}, {today.day} {today:%B %Y}. "
        f"{ABOUT_EXPLORER} What is chosen in one view is chosen in all.{part}"
    )


def _taken(licenses: Mapping[str, int], why_not: str) -> str:
    if why_not:
        return f"This file holds no photographs: {why_not}."
    return "Photographs: " + "; ".join(f"{count:,} under {name}" for name, count in licenses.items()) + "."


@dataclass(frozen=True)
class _Sheets:
    """Pictures of one image: all its versions, and itself.

    Attributes:
        small: at `SMALL` pixels each.
        large: the same at `LARGE` pixels; empty where it does not fit.
        whole: the second result of `_whole`.
    """

    small: bytes
    large: bytes
    whole: dict[str, list[float]]


def _fitting_sheets(
    run: RunTables, data: ExplorerData, room: int, progress: Callable[[int, int], None]
) -> list[_Sheets]:
    """Return the sheets of each image, with as many large ones as fit into ``room`` bytes of base64; none if the small
    ones do not fit, or a picture is missing.

    Large ones are first of the images that both first models name wrong with the most confidence: the explorer shows
    these first.
    """
    rows = run.sample_rows(data.sample).to_dict("records")
    versions = dict(zip(zip(data.photo.tolist(), data.truth.tolist(), strict=True), rows, strict=True))

    def sheets(photo: int) -> _Sheets:
        square, about = _whole(run, data.images[photo])
        of_class = [versions.get((photo, cls)) for cls in range(len(data.classes))]
        sheet = _sheet([*(run.pictures.pair(row)[1] if row else None for row in of_class), square])
        reduced = cv2.resize(sheet, None, fx=SMALL / LARGE, fy=SMALL / LARGE, interpolation=cv2.INTER_AREA)
        return _Sheets(encode_webp(reduced, QUALITY), encode_webp(sheet, QUALITY), about)

    found = []
    try:
        with ThreadPoolExecutor(cores()) as threads:
            for done, one in enumerate(threads.map(sheets, range(len(data.images))), 1):
                found.append(one)
                room -= _base64_size(one.small)
                if room < 0:
                    threads.shutdown(cancel_futures=True)
                    return []
                progress(done, len(data.images))
    except PicturesMissing:
        return []
    for photo in np.argsort(-_surest_errors(data), kind="stable"):
        room -= _base64_size(found[photo].large)
        if room < 0:
            found[photo] = replace(found[photo], large=b"")
    return found


def _base64_size(data: bytes) -> int:
    return 4 * -(-len(data) // 3)


def _surest_errors(data: ExplorerData) -> np.ndarray:
    score = np.zeros(data.tested)
    for model in data.models[:2]:
        score += np.where(model.predicted == data.truth, 0, model.confidence.astype(float))
    best = np.zeros(len(data.images))
    np.maximum.at(best, data.photo, score)
    return best


def _sheet(tiles: Sequence[Image | None]) -> Image:
    empty = np.full((LARGE, LARGE, 3), GROUND, np.uint8)
    resized = [empty if one is None else cv2.resize(one, (LARGE, LARGE), interpolation=cv2.INTER_AREA) for one in tiles]
    resized += [empty] * (-len(resized) % COLUMNS)
    rows = [np.hstack(resized[at : at + COLUMNS]) for at in range(0, len(resized), COLUMNS)]
    return np.vstack(rows)


def _whole(run: RunTables, image_id: str) -> tuple[Image, dict[str, list[float]]]:
    """Return the whole image on a square ground, and in shares (left, top, width, height) its ``box`` on that square
    and the ``cut`` of it that models see."""
    image = run.pictures.photograph(image_id)
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    edges = top, side - height - top, left, side - width - left
    square = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=(GROUND, GROUND, GROUND))
    seen = min(height, width) * run.recipe.view / source_side(run.recipe.view)
    box = [left / side, top / side, width / side, height / side]
    cut = [(1 - seen / width) / 2, (1 - seen / height) / 2, seen / width, seen / height]
    return square, {"box": [round(x, 4) for x in box], "cut": [round(x, 4) for x in cut]}


def _leaderboard(run: RunTables) -> str:
    # As the page Models has it: encoders are compared with the best encoder, baselines with none.
    board = leaderboard(run, "fine", "seen", baselines=False)
    tested = "Encoders are compared with the best of them, baselines, which learned nothing from pictures, with none."
    if board.empty:
        board, tested = leaderboard(run, "fine", "seen"), "Baselines are compared with the best of them."
    if board.empty:
        return ""
    every = in_order(scores_of(run, "fine", "seen"))
    every = every[has_place(every)]
    titles = model_titles(every["model"])
    baseline, against = is_baseline(every["model"]), standings(every, board)
    zoo = f" {ABOUT_ZOO}" if every["model"].str.startswith("zoo/").any() else ""
    rows = "".join(
        _board_row(row, titles[str(row.model)], words, pale)
        for row, words, pale in zip(every.itertuples(), against, baseline.tolist(), strict=True)
    )
    return (
        "<section><h2>Which model knows most about what was done</h2>"
        '<p class="quiet">Share of altered and untouched test pictures whose transformation a linear probe (a small '
        "classifier that reads nothing but the embedding) names right "
        f"(balanced accuracy), with 95{NBSP}% interval by photograph; chance is "
        f"{100 * float(board['chance'].iloc[0]):.1f}{NBSP}%. {tested}{zoo}</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Leaderboard"><table class="board"><thead><tr>'
        '<th scope="col">model</th><th scope="col" class="n">named right</th>'
        f'<th scope="col" class="n">95{NBSP}% interval</th><th scope="col">0 to 100{NBSP}%</th>'
        '<th scope="col">against the best</th><th scope="col">trained by</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _board_row(row: Any, title: str, against: str, pale: bool) -> str:
    name, title = (escape(PATH.sub("", text)) for text in (row.model, title))
    value, low, high = (f"{100 * one:.1f}" for one in (row.value, row.low, row.high))
    bar = (
        '<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect y="2" height="8" width="{value}"/><line x1="{low}" x2="{high}" y1="6" y2="6"/></svg>'
    )
    cells = (
        f'<th scope="row" title="{name}">{title}</th>'
        f'<td class="n">{value}{NBSP}%</td>'
        f'<td class="n">{low} to {high}</td>'
        f"<td>{bar}</td>"
        f"<td>{escape(against)}</td>"
        f"<td>{escape(row.objective)}</td>"
    )
    return f"<tr{' class=pale' if pale else ''}>{cells}</tr>"


def _claims(run: RunTables) -> str:
    contrasts = run.table(layout.CONTRASTS)
    table = with_numbers(run.table(layout.CLAIMS), contrasts)
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
        f'<td class="n">{" to ".join(minus(f"{row[end]:.1f}") for end in ("low", "high"))}</td>'
        f"<td>{row['series']}</td></tr>"
        for row in rows.to_dict("records")
    )
    return (
        '<div class="wide"><table class="board"><thead><tr><th scope="col">difference</th><th scope="col" class="n">'
        f'points</th><th scope="col" class="n">95{NBSP}% interval over {over}</th><th scope="col">after '
        f"correction</th></tr></thead><tbody>{body}</tbody></table></div>"
    )
