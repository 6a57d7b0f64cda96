"""Names and links as somebody might put them into a run that they share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hypothesis import strategies as st

HOSTILE_NAMES = (
    "../victim.txt",
    "units/../../victim.txt",
    "units/./../../victim.txt",
    "..\\victim.txt",
    "units\\..\\..\\victim.txt",
    "C:victim.txt",
    "C:/victim.txt",
    "//server/share/victim.txt",
    "file:///victim.txt",
    "units/a\0b",
    "units/.. /../victim.txt",
    "units/CON",
    "units/nul.parquet",
    "COM1",
    "lpt¹.txt",
    "",
    ".",
    "..",
    "units/",
    "log/lock",
    "done/recipe.json",
    "base/run.toml",
)

ODD = ("..", ".", "", "a", "units", ".. ", "...", "C:", "\\", "NUL", "aux.txt", "~", "\u2025", "\uff0f")
PARTS = st.sampled_from(ODD)
names = st.one_of(
    st.text(max_size=20),
    st.lists(PARTS | st.text(max_size=4), max_size=5).map("/".join),
    st.lists(PARTS, max_size=5).map("\\".join),
    st.none() | st.integers() | st.lists(st.text(max_size=2), max_size=2),
)
"""Names of files, most of which lead outside of a folder on some system."""


def plant(run: Path, name: str) -> None:
    """Add a record that names the file ``name``, as if the run had computed it."""
    record = {"step": "planted", "key": "0123456789abcdef", "inputs": {}}
    record["files"] = {name: [0, hashlib.sha256(b"").hexdigest()]}
    (run / "done" / "planted.json").write_text(json.dumps(record))
