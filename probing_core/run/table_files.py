"""Read Parquet tables of a run, and check their columns.

A run from somebody else may contain tables that can be read, but have different columns. `read_arrow` is the only
function that reads the values of tables, so that this is one error and not a failure of the code that uses a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.compute.task_names import DETECTOR, FRAMING, LAYERS, NEAR, RENDERING, STRENGTH
from probing_core.errors import BadRun
from probing_core.run import layout
from probing_core.run.files import RECOMPUTE, readable

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
    layout.IMAGES: _columns(text="image_id base_id label split license why_not", booleans="used held_out"),
    layout.SAMPLES: _SAMPLE | _columns(integers="repetition draw", numbers="strength"),
    layout.series_table(STRENGTH): _SAMPLE | _columns(numbers="strength position"),
    layout.series_table(RENDERING): _SAMPLE,
    layout.series_table(FRAMING): _SAMPLE,
    layout.series_table(LAYERS): _SAMPLE | _columns(numbers="strength"),
    layout.VERDICT_PHOTOGRAPHS: _columns(integers="corpus", text="image_id base_id split role", booleans="first"),
    layout.scored_views_path(DETECTOR): _VIEW,
    "verdicts.parquet": _VIEW,
    f"{layout.PREDICTIONS}*{layout.PARQUET}": _columns(
        integers="sample",
        text="truth predicted probe? named?",
        numbers="p_truth p_predicted p_calibrated? altered?",
        booleans="seen",
    ),
    "map*.parquet": _columns(integers="sample", numbers="x y"),
    "neighbors*.parquet": _columns(integers=f"sample among {' '.join(NEAR)}"),
    layout.FITS: _columns(
        text="model task probe fold note",
        numbers="penalty validation_loss",
        booleans="at_edge converged",
        integers="iterations",
    ),
    layout.SCORES: _RESULT | _columns(text="task probe subset measure", numbers="chance"),
    layout.QUICK: _columns(text="model base_id transform", integers="correct samples"),
    layout.CLAIMS: _columns(
        text="set result missing",
        integers="claim",
        counts="transformations identified contrasts tested above below roles",
        numbers="rho p",
    ),
    layout.ROLES: _columns(
        text="set role encoders", numbers="identified not_below informed identified_low identified_high fine content"
    ),
    layout.CONTRASTS: _CONTRAST
    | _columns(integers="claim", text="set first_role second_role", numbers="seeds_low seeds_high p_seeds"),
    layout.ABLATIONS: _CONTRAST,
    layout.table_path("strength"): _columns(
        text="model transform interval note",
        numbers="strength hit_rate hit_low hit_high shift shift_low shift_high",
        integers="images bases",
    ),
    layout.table_path("thresholds"): _columns(
        text="model transform censored note", numbers="threshold low high false_alarms", integers="images bases"
    ),
    layout.table_path("geometry"): _RESULT | _columns(text="transform"),
    layout.table_path("layers"): _RESULT
    | _columns(
        text="pooling task",
        integers="layer",
        numbers="difference difference_low difference_high chance validation_loss",
        booleans="chosen",
    ),
    layout.table_path("selectivity"): _RESULT | _columns(numbers="accuracy control", integers="types"),
    layout.table_path("retrieval"): _RESULT
    | _columns(text="transform", numbers="strength chance", integers="k gallery"),
    layout.table_path("duplicates"): _RESULT
    | _columns(text="cosine transform", numbers="unrelated threshold threshold_low threshold_high", integers="pairs"),
    layout.table_path("variance"): _RESULT | _columns(text="part", integers="repetitions"),
    layout.table_path("uses"): _columns(text="model use base_id", numbers="value"),
}
"""Path of a table, or pattern for paths in the folder of a model -> its columns. Tables can have additional columns.

Tables of a model that are joined with those of other models have the columns of the joined table.
"""


def columns_of(path: str) -> Mapping[str, Column]:
    """Return the columns of the table ``path``, or nothing if the table is not described here (see `COLUMNS`)."""
    if path in COLUMNS:
        return COLUMNS[path]
    if not path.startswith(layout.MODELS):
        return {}
    inner = path.removeprefix(layout.MODELS).partition("/")[2]
    joined = f"{layout.TABLES}{inner.removeprefix(layout.STUDIES)}"
    if inner.startswith(layout.MODEL_FITS):
        joined = layout.FITS
    if joined in COLUMNS:
        return COLUMNS[joined]
    return next((columns for pattern, columns in COLUMNS.items() if fnmatchcase(inner, pattern)), {})


def read_arrow(
    path: Path,
    name: str = "",
    columns: Sequence[str] | None = None,
    hint: str = RECOMPUTE,
    categories: bool = False,
) -> pa.Table:
    """Read a table of a run.

    Args:
        path: path of the file.
        name: path in the run directory, which determines the expected columns, by default ``path``.
        columns: names of the columns to read, by default all. Columns that do not exist are ignored.
        hint: command that helps if the file is corrupted.
        categories: whether to read strings as dictionaries, to save memory.

    Raises:
        BadRun: the file cannot be read, or a column is missing or has an incorrect type.
    """
    name = name or str(path)
    with readable(path, name, hint):
        schema = pq.read_schema(path)
        _require_columns(schema, name)
        table = pq.read_table(
            path,
            columns=None if columns is None else [column for column in columns if column in schema.names],
            read_dictionary=texts(schema) if categories else None,
            partitioning=None,
        )
        # Otherwise, invalid characters in a corrupted file would only raise an error when they are used.
        table.validate(full=True)
    for column, (kind, _) in columns_of(name).items():
        if column not in table.column_names:
            continue
        can_be_missing = kind in ("counts", "numbers") and not pa.types.is_null(table.schema.field(column).type)
        if table[column].null_count and not can_be_missing:
            raise _unexpected(name, column, "has missing values")
    return table


def read_table(path: Path, name: str = "", columns: Sequence[str] | None = None, hint: str = RECOMPUTE) -> pd.DataFrame:
    """Read a table of a run as a data frame. See `read_arrow` for the arguments and errors."""
    table = read_arrow(path, name, columns, hint)
    kinds = {column: kind for column, (kind, _) in columns_of(name).items() if column in table.column_names}
    counts = [column for column, kind in kinds.items() if kind == "counts"]
    with readable(path, name, hint):
        return table.to_pandas(ignore_metadata=True).astype(dict.fromkeys(counts, "Int64"))


def texts(schema: pa.Schema) -> list[str]:
    """Return the names of the columns that contain strings."""
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _require_columns(schema: pa.Schema, name: str) -> None:
    if twice := next((column for column in schema.names if schema.names.count(column) > 1), ""):
        raise _unexpected(name, twice, "occurs more than once")
    for column, (kind, is_optional) in columns_of(name).items():
        if column not in schema.names:
            if is_optional:
                continue
            raise BadRun(f"'{name}' has no column '{column}'. {ADVICE}")
        if not _fits(schema.field(column).type, kind):
            raise _unexpected(name, column, f"contains {schema.field(column).type} values instead of {kind}")


def _fits(type_: pa.DataType, kind: Kind) -> bool:
    if pa.types.is_null(type_):  # tables without rows have no other type
        return True
    if kind == "text":
        return pa.types.is_string(type_) or pa.types.is_large_string(type_)
    if kind == "booleans":
        return pa.types.is_boolean(type_)
    is_float = pa.types.is_float32(type_) or pa.types.is_float64(type_)
    return pa.types.is_integer(type_) or (kind == "numbers" and is_float)


ADVICE = "The file was modified or created by a different version. Recompute the run in a new folder."


def _unexpected(name: str, column: str, problem: str) -> BadRun:
    return BadRun(f"The column '{column}' in '{name}' {problem}. {ADVICE}")
