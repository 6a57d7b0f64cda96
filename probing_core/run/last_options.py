"""How a run was worked on last, so that whoever goes on with it does it in the same way.

It stands in ``log/``: the recipe holds only what is asked of a run, and neither an executor nor a device is.
"""

from __future__ import annotations

import json
from pathlib import Path

from probing_core.run.layout import LAST_OPTIONS
from probing_core.run.options import DEFAULTS, EXECUTORS, LOCAL, Options
from probing_core.run.store import write_atomically

NOTED = {"device": "device", "precision": "precision", "engine": "executor", "address": "address"}
"""Name in the file -> option, of those of which a recipe has no trace."""


def note_options(run: Path, options: Options) -> None:
    """Note those of ``options`` in the folder of a run that no recipe holds."""
    noted = {name: getattr(options, option) for name, option in NOTED.items()}
    write_atomically(run / LAST_OPTIONS, json.dumps(noted).encode())


def last_options(run: Path) -> Options:
    """Read the options that `note_options` noted; the defaults where they are unknown."""
    try:
        noted = json.loads((run / LAST_OPTIONS).read_bytes())
        options = Options(**{option: noted[name] for name, option in NOTED.items()})
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULTS
    texts = (options.device, options.precision, options.address or "")
    sound = options.executor in EXECUTORS and all(isinstance(text, str) for text in texts)
    if not sound or (options.executor == LOCAL and options.address):
        return DEFAULTS
    return options
