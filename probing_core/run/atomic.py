"""Files that are whole or absent, whatever kills the process or fills the disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

from probing_core.errors import BadRun, one_line
from probing_core.run.layout import TEMPORARY


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``path`` so that a reader, or a kill at any moment, finds the old file or the new one, never half.

    Raises:
        BadRun: the disk is full or not writable.
    """
    with written_atomically(path) as handle:
        handle.write(content)


@contextmanager
def written_atomically(path: Path) -> Iterator[BufferedRandom]:
    """Write as `write_atomically` does, but piece by piece; what was written may be read before it is whole.

    The temporary name is never the same twice: two machines may write the same file of a run at once.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w+b") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> BadRun:
    return BadRun(
        f"'{path}' could not be written: {error.strerror or one_line(error)}; "
        f"what was complete stays, so mend that and start again."
    )
