"""Embeddings on disk: finished units are gathered into files of about `SHARD_BYTES`.

So files number by gigabytes and not by units. A file's name holds its first and last unit. Files begin and end where
the sizes of the units in order make them, whichever unit was finished first, so that the same run has the same files.
Until they are gathered, units lie in a folder of their own, where no reader takes them for all that there is.
"""

from __future__ import annotations

from probing_core.run.engine import units_of
from probing_core.run.layout import (
    embeddings_folder,
    embeddings_path,
    unit_embeddings_folder,
    unit_embeddings_path,
    units_at,
)
from probing_core.run.store import Files, Inputs, Store

SHARD_BYTES = 64 * 2**20


def embeddings_files(store: Files, model: str, series: str = "") -> list[str]:
    """Return files that hold the embeddings of ``model``, in the order of its units."""
    return sorted(store.names(embeddings_folder(model, series)), key=units_at)


class Shards:
    """Gathers the units of one model and series as they are finished.

    Args:
        store, model, series, key: whose embeddings, and the recipe that made them; files of another are removed.
        units: how many there will be.
        inputs: what they are made from, see `Store.enter`.
    """

    def __init__(
        self, store: Store, model: str, series: str, key: str, units: int, inputs: Inputs | None = None
    ) -> None:
        self._store, self._model, self._series, self._key, self._units = store, model, series, key, units
        self._inputs = inputs
        self._first = self._next = self._bytes = 0
        others = [name for name in embeddings_files(store, model, series) if not store.has(name, key)]
        store.remove(*others)
        store.hide(*(name for name in others if store.has(name)))  # of the base, which is only read
        gathered = embeddings_files(store, model, series)
        self._gathered = dict(map(units_at, gathered))
        """First unit of a file -> its last one."""
        held = units_of(gathered)
        there = set(store.names(unit_embeddings_folder(model, series)))
        store.remove(*sorted(there & {self._path(unit) for unit in held}))  # a kill may leave them
        self._finished = {u for u in range(units) if u not in held and store.has(self._path(u), key)}
        self.missing = [unit for unit in range(units) if unit not in held and unit not in self._finished]
        """Units that are to be made."""
        self._advance()

    def add(self, unit: int) -> None:
        """Note that the file of ``unit`` has been entered."""
        self._finished.add(unit)
        self._advance()

    def _path(self, unit: int) -> str:
        return unit_embeddings_path(self._model, unit, self._series)

    def _advance(self) -> None:
        """Go through finished units in order; gather where there are enough, none follows, or a file does."""
        while True:
            if self._next in self._gathered or self._next == self._units:
                self._gather()
            if self._next in self._gathered:
                self._first = self._next = self._gathered[self._next] + 1
            elif self._next in self._finished:
                self._finished.remove(self._next)
                self._bytes += self._store.size(self._path(self._next))
                self._next += 1
                if self._bytes >= SHARD_BYTES:
                    self._gather()
            else:
                return

    def _gather(self) -> None:
        """Join the units since the last file into one."""
        first, last = self._first, self._next - 1
        self._first, self._bytes = self._next, 0
        if last == first:
            self._store.move(self._path(first), embeddings_path(self._model, first, self._series), self._inputs)
        elif last > first:
            units = [self._path(unit) for unit in range(first, last + 1)]
            shard = embeddings_path(self._model, first, self._series, last)
            self._store.join_arrays(shard, units, self._key, self._inputs)
            self._store.remove(*units)
