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
    "journal.jsonl",
    "manifest.json",
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


def plant(run: Path, name: str, **facts: object) -> None:
    """Enter the file ``name`` into the records of a run, as if the run had computed it.

    Args:
        facts: additional values of the entry.
    """
    path = run / "manifest.json"
    content = json.loads(path.read_bytes())
    empty = hashlib.sha256(b"").hexdigest()
    content["files"][name] = {"bytes": 0, "sha256": empty, "key": "0123456789abcdef", **facts}
    path.write_text(json.dumps(content))
