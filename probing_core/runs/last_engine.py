"""What embedded a run last, so that whoever goes on with it can use the same.

It stands in ``log/``, since the recipe holds only what changes the bytes of a run, and engines do not.
"""

from __future__ import annotations

import json
from pathlib import Path

from probing_core.runs.layout import ENGINE
from probing_core.runs.options import DEFAULTS, ENGINES, LOCAL, Options
from probing_core.runs.store import write_atomically


def note_engine(run: Path, options: Options) -> None:
    """Notes the engine and the address of ``options`` in the folder of a run."""
    write_atomically(run / ENGINE, json.dumps({"engine": options.engine, "address": options.address}).encode())


def last_engine(run: Path) -> Options:
    """The options that name the engine of the run in ``run``; the defaults where it is unknown."""
    try:
        noted = json.loads((run / ENGINE).read_bytes())
        engine, address = noted["engine"], noted["address"]
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULTS
    if engine not in ENGINES or engine == LOCAL or not isinstance(address, str | None):
        return DEFAULTS
    return Options(engine=engine, address=address)
