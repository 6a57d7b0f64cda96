"""Columns of any type that a scan copies from its source to its tables."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq


def storable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that a Parquet file can store. Values of unsupported types are converted to text."""
    if isinstance(column.type, pa.ExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    try:
        pq.write_table(pa.table({"column": column.slice(0, 0)}), io.BytesIO())
        return column
    except pa.ArrowException:
        return as_text(column)


def common_type(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """Return a type to which columns of two types can be converted, which is text if there is no other."""
    if first == second:
        return first
    try:
        schemas = [pa.schema([("column", kind)]) for kind in (first, second)]
        return pa.unify_schemas(schemas, promote_options="permissive").field("column").type
    except pa.ArrowException:
        return pa.string()


def converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Convert a column to a type that `common_type` returned."""
    try:
        return column if column.type == kind else column.cast(kind)
    except pa.ArrowException:
        return as_text(column)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert each value of a column to text."""
    return pa.chunked_array([[None if value is None else str(value) for value in column.to_pylist()]], pa.string())


def for_csv(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column to text, unless its values are numbers, truth values or text."""
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return column if is_number or pa.types.is_string(kind) else as_text(column)
