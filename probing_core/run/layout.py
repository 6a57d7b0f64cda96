"""Paths and file names of a run, and the columns of its tables.

Paths are relative to the run directory and use forward slashes, as in the records of steps. This module imports neither
NumPy nor PyTorch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from probing_core.compute.task_names import BY_EMBEDDING, DETECTOR, FRAMING, LAYERS, NEAR, RENDERING, STRENGTH
from probing_core.paths import PHOTOGRAPHS_FILE, PHOTOGRAPHS_LICENSE

FORMAT = 3
"""Version of the run format, which is part of ``run.toml`` and of every cache key.

Runs with a different format cannot be opened.
"""

RECIPE = "run.toml"
DONE = "done/"
"""Folder with the records of completed steps. It has no subfolders, so its modification time changes with each."""

BASE = "base"
"""Folder with a copy of another run, to which models were added."""

IMAGES = "images.parquet"
SAMPLES = "samples.parquet"

EXTRA_FILES = (PHOTOGRAPHS_FILE, PHOTOGRAPHS_LICENSE)
"""Files that may be in the run directory but are not part of the run: the reference photographs and their license."""

LOG = "log"
"""The only folder whose files may differ between runs with the same recipe."""

COPIED_FROM = f"{LOG}/copied-from.json"
"""Location of the run from which the base was copied."""

EVENTS = f"{LOG}/events.jsonl"
"""Log of completed work on the run, with one JSON object per line."""

LOCK = f"{LOG}/lock"
WRITER = f"{LOG}/writer.json"
"""Description of the process that holds the lock. The file remains if the process is killed."""

PROGRESS = f"{LOG}/progress.json"
"""Latest progress report of the process that is working on the run."""

LAST_OPTIONS = f"{LOG}/options.json"
"""Most recently used device, precision, executor and cluster address."""

BACKGROUND_OUTPUT = f"{LOG}/worker.txt"

TEMPORARY = ".probing.tmp"
"""Suffix of files that are being written. It is not used by other programs."""

MODELS = "models/"
UNITS = "units/"
"""Folder with the completed units of incomplete files."""

SERIES = "series/"
TABLES = "tables/"
VERDICTS = "verdicts/"
PREDICTIONS = "predictions/"
MODEL_FITS = "fits/"
STUDIES = "studies/"
PARQUET = ".parquet"
ARRAYS = ".safetensors"

DETECTOR_FILE = f"{VERDICTS}{DETECTOR}.safetensors"

VERDICT_PHOTOGRAPHS = f"{VERDICTS}photographs{PARQUET}"
"""Table of the photographs for training the detector and for calibrating and testing answers."""


def slug(name: str) -> str:
    """Convert the name of a model to a folder name, such as ``zoo-mae`` or ``timm_resnet50``.

    Names that are not of the form ``provider/name`` or ``provider:name`` are shortened and end in a short hash.
    """
    simple = re.fullmatch(r"([A-Za-z0-9]+)([/:])([A-Za-z0-9._-]+)", name)
    if simple:  # the first character that is not a letter or digit encodes the separator, so slugs are unique
        separator = "-" if simple[2] == "/" else "_"
        return f"{simple[1]}{separator}{simple[3]}"
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:80]}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def table_path(name: str) -> str:
    return f"{TABLES}{name}{PARQUET}"


SCORES = table_path("scores")
FITS = table_path("fits")
CLAIMS = table_path("claims")
ROLES = table_path("roles")
CONTRASTS = table_path("contrasts")
ABLATIONS = table_path("ablations")
QUICK = table_path("quick")


def series_table(name: str) -> str:
    """Return the path of the sample table of an experiment, or of the main samples if ``name`` is empty."""
    return f"{SERIES}{name}{PARQUET}" if name else SAMPLES


def record_path(step: str) -> str:
    """Return the path of the record of a step."""
    return f"{DONE}{step.replace('/', '~')}.json"


def is_embeddings_step(step: str) -> bool:
    """Return whether a step computes embeddings from a model, for the main samples or an experiment."""
    inner = step.removeprefix(MODELS).partition("/")[2]
    return step.startswith(MODELS) and (inner == "embeddings" or inner.startswith(SERIES))


UNIT_FILES = "unit-*"
UNIT_FILE = re.compile(r"unit-\d+(-\d+)?\.[^.]+(\.[^.]+)?")
"""Patterns for the names of files with units. `UNIT_FILE` does not match files that are being written."""


def unit_name(index: int) -> str:
    return f"unit-{index:05d}"


def model_folder(model: str) -> str:
    return f"{MODELS}{slug(model)}/"


def model_path(model: str) -> str:
    return f"{model_folder(model)}{MODEL_FILE}"


MODEL_FILE = "model.toml"


def is_model_path(path: str) -> bool:
    return path.startswith(MODELS) and path.endswith(f"/{MODEL_FILE}")


def embeddings_folder(model: str, series: str = "") -> str:
    return f"{model_folder(model)}{f'{SERIES}{series}/' if series else 'embeddings/'}"


def units_name(first: int, last: int) -> str:
    through = f"-{last:05d}" if last > first else ""
    return f"{unit_name(first)}{through}.safetensors"


def units_at(path: str) -> tuple[int, int]:
    first, *last = path.rpartition("/")[2].partition(".")[0].split("-")[1:]
    return int(first), int(last[0] if last else first)


def is_embeddings_path(path: str) -> bool:
    """Return whether ``path`` is an embedding file. These files are large and can be recomputed from the corpus."""
    inner = path.removeprefix(MODELS).partition("/")[2]
    return path.startswith(MODELS) and inner.startswith(("embeddings/", SERIES))


def probe_path(model: str, task: str) -> str:
    return f"{model_folder(model)}probes/{task}.safetensors"


def predictions_path(model: str, task: str) -> str:
    return f"{model_folder(model)}{PREDICTIONS}{task}{PARQUET}"


def fits_path(model: str, task: str) -> str:
    return f"{model_folder(model)}{MODEL_FITS}{task}{PARQUET}"


def quick_path(model: str) -> str:
    return f"{model_folder(model)}quick{PARQUET}"


def scores_path(model: str) -> str:
    return f"{model_folder(model)}scores{PARQUET}"


def study_path(model: str, name: str) -> str:
    return f"{model_folder(model)}{STUDIES}{name}{PARQUET}"


def map_path(model: str, reading: str = BY_EMBEDDING) -> str:
    return f"{model_folder(model)}map{'' if reading == BY_EMBEDDING else f'-{reading}'}{PARQUET}"


def neighbors_path(model: str, reading: str = BY_EMBEDDING) -> str:
    return map_path(model, reading).replace("/map", "/neighbors")


def scored_views_path(model: str) -> str:
    return f"{VERDICTS}{DETECTOR}{PARQUET}" if model == DETECTOR else f"{model_folder(model)}verdicts{PARQUET}"


Kind = Literal["text", "integers", "counts", "numbers", "booleans"]


class Column(NamedTuple):
    """Type of a column.

    Attributes:
        kind: type of the values. Only ``counts``, which are integers, and ``numbers`` can be missing.
        is_optional: whether some tables do not have the column.
    """

    kind: Kind
    is_optional: bool = False


def _columns(
    text: str = "", integers: str = "", counts: str = "", numbers: str = "", booleans: str = ""
) -> dict[str, Column]:
    """Return columns by name, from lists of names separated by spaces. The names of optional columns end in ``?``."""
    by_kind: dict[Kind, str] = {
        "text": text,
        "integers": integers,
        "counts": counts,
        "numbers": numbers,
        "booleans": booleans,
    }
    return {
        name.removesuffix("?"): Column(kind, name.endswith("?"))
        for kind, names in by_kind.items()
        for name in names.split()
    }


_SAMPLE = _columns(
    integers="sample",
    text="image_id base_id label split transform group",
    numbers="ssim difference distance",
    booleans="visible",
)
_VIEW = _columns(
    integers="corpus",
    text="image_id base_id role maker transform group size",
    booleans="no_color",
    numbers="score whole_score",
)
_CONTRAST = _columns(text="first second score", numbers="effect low high p p_holm", integers="bases")
_RESULT = _columns(text="model interval note", numbers="value low high", integers="bases images")

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    IMAGES: _columns(text="image_id base_id label split license why_not", booleans="used held_out"),
    SAMPLES: _SAMPLE | _columns(integers="repetition draw", numbers="strength"),
    series_table(STRENGTH): _SAMPLE | _columns(numbers="strength position"),
    series_table(RENDERING): _SAMPLE,
    series_table(FRAMING): _SAMPLE,
    series_table(LAYERS): _SAMPLE | _columns(numbers="strength"),
    VERDICT_PHOTOGRAPHS: _columns(integers="corpus", text="image_id base_id split role", booleans="first"),
    scored_views_path(DETECTOR): _VIEW,
    "verdicts.parquet": _VIEW,
    f"{PREDICTIONS}*{PARQUET}": _columns(
        integers="sample",
        text="truth predicted probe? named?",
        numbers="p_truth p_predicted p_calibrated? altered?",
        booleans="seen",
    ),
    "map*.parquet": _columns(integers="sample", numbers="x y"),
    "neighbors*.parquet": _columns(integers=f"sample among {' '.join(NEAR)}"),
    FITS: _columns(
        text="model task probe fold note",
        numbers="penalty validation_loss",
        booleans="at_edge converged",
        integers="iterations",
    ),
    SCORES: _RESULT | _columns(text="task probe subset measure", numbers="chance"),
    QUICK: _columns(text="model base_id transform", integers="correct samples"),
    CLAIMS: _columns(
        text="set result missing",
        integers="claim",
        counts="transformations identified contrasts tested above below roles",
        numbers="rho p",
    ),
    ROLES: _columns(
        text="set role encoders", numbers="identified not_below informed identified_low identified_high fine content"
    ),
    CONTRASTS: _CONTRAST
    | _columns(integers="claim", text="set first_role second_role", numbers="seeds_low seeds_high p_seeds"),
    ABLATIONS: _CONTRAST,
    table_path("strength"): _columns(
        text="model transform interval note",
        numbers="strength hit_rate hit_low hit_high shift shift_low shift_high",
        integers="images bases",
    ),
    table_path("thresholds"): _columns(
        text="model transform censored note", numbers="threshold low high false_alarms", integers="images bases"
    ),
    table_path("geometry"): _RESULT | _columns(text="transform"),
    table_path("layers"): _RESULT
    | _columns(
        text="pooling task",
        integers="layer",
        numbers="difference difference_low difference_high chance validation_loss",
        booleans="chosen",
    ),
    table_path("selectivity"): _RESULT | _columns(numbers="accuracy control", integers="types"),
    table_path("retrieval"): _RESULT | _columns(text="transform", numbers="strength chance", integers="k gallery"),
    table_path("duplicates"): _RESULT
    | _columns(text="cosine transform", numbers="unrelated threshold threshold_low threshold_high", integers="pairs"),
    table_path("variance"): _RESULT | _columns(text="part", integers="repetitions"),
    table_path("uses"): _columns(text="model use base_id", numbers="value"),
}
"""Path of a table, or pattern for paths in the folder of a model -> its columns. Tables can have additional columns.

Tables of a model that are joined with those of other models have the columns of the joined table.
"""


def columns_of(path: str) -> Mapping[str, Column]:
    """Return the columns of the table ``path``, or nothing if the table is not described here (see `COLUMNS`)."""
    if path in COLUMNS:
        return COLUMNS[path]
    if not path.startswith(MODELS):
        return {}
    inner = path.removeprefix(MODELS).partition("/")[2]
    joined = f"{TABLES}{inner.removeprefix(STUDIES)}"
    if inner.startswith(MODEL_FITS):
        joined = FITS
    if joined in COLUMNS:
        return COLUMNS[joined]
    return next((columns for pattern, columns in COLUMNS.items() if fnmatchcase(inner, pattern)), {})
