"""Catalogs: name -> entry. They refuse duplicates and suggest close names.

Third parties join through an entry point group, which is read when a catalog first lacks a name, or through
`Catalog.add`, for this process alone. Threads may share a catalog.
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import RLock
from types import MappingProxyType, ModuleType
from typing import Generic, Protocol, TypeVar

from probing_core.errors import BadConfig, ProbingError, UnknownName, one_line


class Named(Protocol):
    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Named)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest of ``known``, else for the first that contains ``name``, else
    ``""``."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or [one for one in names if name and name in one]
    return f" Did you mean '{close[0]}'?" if close else ""


class Catalog(Generic[E]):
    """Entries by name, in the order in which they were listed.

    Args:
        kind: singular noun for messages ("transformation").
        entry_point_group: of third parties; each entry point resolves to one entry or to an iterable of entries.
    """

    def __init__(self, kind: str, entries: Iterable[E], entry_point_group: str | None = None) -> None:
        self.kind = kind
        self.entry_point_group = entry_point_group
        self._entries: dict[str, E] = {}
        self._added: dict[str, E] = {}
        self._temporary: ContextVar[Mapping[str, E]] = ContextVar(f"temporary {kind}", default=MappingProxyType({}))
        self._third_party: dict[str, E] = {}
        self._problems: list[str] = []
        self._third_party_begun = False
        self._loading = RLock()
        for entry in entries:
            _add(self._entries, entry, kind)

    @property
    def own(self) -> tuple[E, ...]:
        return tuple(self._entries.values())

    @property
    def all(self) -> tuple[E, ...]:
        """The project's own entries, then those of third parties, then those of this process."""
        added = {**self._added, **self._temporary.get()}
        return (*self._entries.values(), *self._plugins().values(), *added.values())

    def add(self, entry: E) -> None:
        """Add an entry to this process; it replaces one of the same name that was added before.

        Raises:
            BadConfig: an entry of this name exists that was not added.
        """
        self._refuse_taken(entry.name)
        self._added[entry.name] = entry

    @contextmanager
    def temporarily(self, entry: E) -> Iterator[None]:
        """Add an entry while the context lasts, for this thread alone; others may use the same name for another entry.

        Raises:
            BadConfig: an entry of this name exists that was not added.
        """
        self._refuse_taken(entry.name)
        token = self._temporary.set({**self._temporary.get(), entry.name: entry})
        try:
            yield
        finally:
            self._temporary.reset(token)

    def _refuse_taken(self, name: str) -> None:
        if name in self._entries or name in self._plugins():
            raise BadConfig(f"The catalog has a {self.kind} '{name}' already; register yours under another name.")

    @property
    def added(self) -> tuple[E, ...]:
        return tuple(self._added.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.all)

    def get(self, name: str) -> E:
        """Return the entry called ``name``.

        Raises:
            UnknownName: no entry has that name; the message lists what exists.
        """
        for own in (self._entries, self._temporary.get(), self._added):
            if name in own:
                return own[name]
        if name in self._plugins():
            return self._plugins()[name]
        raise UnknownName(
            " ".join(
                (
                    f"There is no {self.kind} called '{name}'.{suggest(name, self.names)}",
                    f"There are: {', '.join(self.names)}.",
                    *self.problems,
                )
            )
        )

    def __contains__(self, name: object) -> bool:
        own = (self._entries, self._temporary.get(), self._added)
        return any(name in entries for entries in own) or name in self._plugins()

    def __iter__(self) -> Iterator[E]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def problems(self) -> tuple[str, ...]:
        """Errors of third parties' entries, one sentence each; such entries are left out."""
        self._plugins()
        return tuple(self._problems)

    def _plugins(self) -> dict[str, E]:
        with self._loading:  # other threads wait until all have joined; code that is loaded sees those before it
            if not self._third_party_begun:
                self._third_party_begun = True
                self._load_third_party()
            return self._third_party

    def _load_third_party(self) -> None:
        for point in entry_points(group=self.entry_point_group) if self.entry_point_group else ():
            try:
                self._join(self._third_party, _load(point), point)
            except Exception as error:  # a third party's code may fail in any way
                self._problems.append(
                    f"The entry point '{point.name}' of group '{point.group}' could not be loaded: "
                    f"{one_line(error).rstrip('.')}."
                )

    def _join(self, third_party: dict[str, E], entries: Iterable[E], point: EntryPoint) -> None:
        for entry in entries:
            if entry.name in self._entries or entry.name in third_party:
                self._problems.append(
                    f"The entry point '{point.name}' of group '{point.group}' lists a {self.kind} '{entry.name}', "
                    f"but there is one of that name already; rename it there."
                )
            else:
                third_party[entry.name] = entry


def _add(entries: dict[str, E], entry: E, kind: str) -> None:
    if entry.name in entries:
        raise ProbingError(f"Two entries of the {kind} catalog are called '{entry.name}'; names must differ.")
    entries[entry.name] = entry


def _load(point: EntryPoint) -> Iterable:
    loaded = point.load()
    if callable(loaded) and not hasattr(loaded, "name"):
        loaded = loaded()
    return loaded if isinstance(loaded, list | tuple) else (loaded,)


_LOADED: dict[Path, ModuleType] = {}


def load_plugin(path: Path) -> None:
    """Run a Python file that registers entries (`probing_core.register`), once in a process.

    Raises:
        BadConfig: there is no such file, or it cannot be run.
    """
    path = path.expanduser().resolve()
    if path not in _LOADED:
        _LOADED[path] = run_file(path, f"probing_plugin_{len(_LOADED)}_{path.stem}")


def run_file(path: Path, name: str) -> ModuleType:
    """Run a user's Python file as the module ``name``.

    Raises:
        BadConfig: there is no such file, or it cannot be run.
    """
    if not path.is_file():
        raise BadConfig(f"There is no file '{path}'; give a Python file.")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadConfig(f"'{path}' is no Python file; its name ends with .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's code may fail in any way
        del sys.modules[spec.name]
        raise BadConfig(f"'{path}' could not be run: {type(error).__name__}: {one_line(error).rstrip('.')}.") from error
    return module


def loaded_plugins() -> tuple[Path, ...]:
    return tuple(_LOADED)


def plugin_modules() -> tuple[ModuleType, ...]:
    return tuple(_LOADED.values())
