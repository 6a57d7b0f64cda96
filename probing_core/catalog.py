"""Catalogs that map names to entries, reject duplicate names, and suggest similar names.

Other packages can add entries through an entry point group, which is loaded on first use. `Catalog.add` adds an entry
in the current process only. Catalogs are thread-safe.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import RLock
from traceback import extract_tb
from types import MappingProxyType, ModuleType
from typing import Generic, Protocol, TypeVar

from probing_core.errors import BadConfig, ProbingError, UnknownName, one_line

OPTION_START = re.compile(r"@(?=\w+=)")
"""Pattern that matches the ``@`` before an option in a model name. Paths may contain other ``@`` characters."""


class Named(Protocol):
    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Named)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the most similar known name.

    If no name is similar enough, the first one that contains ``name`` is suggested. If there is none, return ``""``.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or [
        candidate for candidate in names if name and name in candidate
    ]
    return f" Did you mean '{close[0]}'?" if close else ""


class Catalog(Generic[E]):
    """Collection of named entries, in insertion order.

    Args:
        kind: singular noun for messages, such as "transformation".
        entries: built-in entries.
        entry_point_group: entry point group for other packages. Each entry point resolves to an entry, to a list or
            tuple of entries, or to a function that returns one of these.

    Raises:
        ProbingError: two of ``entries`` have the same name.
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
        """Built-in entries, entries from other packages, and entries added in this process, in this order."""
        added = {**self._added, **self._temporary.get()}
        return (*self._entries.values(), *self._plugins().values(), *added.values())

    def add(self, entry: E) -> None:
        """Add an entry in this process, replacing a previously added entry with the same name.

        Raises:
            BadConfig: a built-in entry or an entry from another package has this name.
        """
        self._refuse_taken(entry.name)
        self._added[entry.name] = entry

    @contextmanager
    def temporarily(self, entry: E) -> Iterator[None]:
        """Return a context manager that adds an entry in the current thread and removes it on exit.

        Other threads may use the same name for a different entry.

        Raises:
            BadConfig: a built-in entry or an entry from another package has this name.
        """
        self._refuse_taken(entry.name)
        token = self._temporary.set({**self._temporary.get(), entry.name: entry})
        try:
            yield
        finally:
            self._temporary.reset(token)

    def _refuse_taken(self, name: str) -> None:
        if name in self._entries or name in self._plugins():
            raise BadConfig(f"A {self.kind} called '{name}' already exists. Use a different name.")

    @property
    def added(self) -> tuple[E, ...]:
        return tuple(self._added.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.all)

    def get(self, name: str) -> E:
        """Return the entry called ``name``.

        Raises:
            UnknownName: no entry has that name; the message lists the available names.
        """
        for entries in (self._entries, self._temporary.get(), self._added):
            if name in entries:
                return entries[name]
        if name in self._plugins():
            return self._plugins()[name]
        raise UnknownName(
            " ".join(
                (
                    f"There is no {self.kind} called '{name}'.{suggest(name, self.names)}",
                    f"Available: {', '.join(self.names)}.",
                    *self.problems,
                )
            )
        )

    def __contains__(self, name: object) -> bool:
        tables = (self._entries, self._temporary.get(), self._added)
        return any(name in entries for entries in tables) or name in self._plugins()

    def __iter__(self) -> Iterator[E]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def problems(self) -> tuple[str, ...]:
        """Messages about entry points and entries from other packages that could not be loaded."""
        self._plugins()
        return tuple(self._problems)

    def _plugins(self) -> dict[str, E]:
        with self._loading:  # other threads wait until all entry points are loaded
            if not self._third_party_begun:
                self._third_party_begun = True
                self._load_third_party()
            return self._third_party

    def _load_third_party(self) -> None:
        for point in entry_points(group=self.entry_point_group) if self.entry_point_group else ():
            try:
                self._join(self._third_party, _load(point), point)
            except Exception as error:  # code of other packages may raise any exception
                self._problems.append(
                    f"The entry point '{point.name}' in the group '{point.group}' could not be loaded: "
                    f"{one_line(error).rstrip('.')}."
                )

    def _join(self, third_party: dict[str, E], entries: Iterable[E], point: EntryPoint) -> None:
        for entry in entries:
            if entry.name in self._entries or entry.name in third_party:
                self._problems.append(
                    f"The entry point '{point.name}' in the group '{point.group}' provides a {self.kind} called "
                    f"'{entry.name}', but that name is already in use. Rename the entry in its package."
                )
            else:
                third_party[entry.name] = entry


def _add(entries: dict[str, E], entry: E, kind: str) -> None:
    if entry.name in entries:
        raise ProbingError(f"Two entries of the {kind} catalog are called '{entry.name}'. Names must be unique.")
    entries[entry.name] = entry


def _load(point: EntryPoint) -> Iterable:
    loaded = point.load()
    if callable(loaded) and not hasattr(loaded, "name"):
        loaded = loaded()
    return loaded if isinstance(loaded, list | tuple) else (loaded,)


_LOADED: dict[Path, ModuleType] = {}

_FILES: set[Path] = set()
"""Files that `run_file` has run."""


def load_plugin(path: Path) -> None:
    """Run a Python file that registers catalog entries (`probing_core.register`). Each file runs once per process.

    Raises:
        BadConfig: the file does not exist or cannot be run.
    """
    path = path.expanduser().resolve()
    if path not in _LOADED:
        _LOADED[path] = run_file(path, f"probing_plugin_{len(_LOADED)}_{path.stem}")


def run_file(path: Path, name: str) -> ModuleType:
    """Run a Python file as a module called ``name``, and return the module.

    Raises:
        BadConfig: the file does not exist or cannot be run.
    """
    if not path.is_file():
        raise BadConfig(f"The Python file '{path}' does not exist. Check the path.")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadConfig(f"'{path}' is not a Python file. Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _FILES.add(path.resolve())
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # user code may raise any exception
        del sys.modules[spec.name]
        raise BadConfig(failure_in_file(error) or f"'{path}' could not be run: {_in_words(error)}.") from error
    return module


def failure_in_file(error: BaseException) -> str:
    """Describe an exception raised by a file that `run_file` has run.

    Returns:
        The description with the last executed line of the file, or an empty string if no such file was being executed.
    """
    frames = [(frame.filename, frame.lineno, frame.line) for frame in extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno, error.text))
    of_files = [(file, number, text) for file, number, text in frames if Path(file).resolve() in _FILES]
    if not of_files:
        return ""
    file, number, text = of_files[-1]
    code = f" The line is: {text.strip()}" if text and text.strip() else ""
    return f"'{file}' (line {number}) failed: {_in_words(error)}.{code}"


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error).rstrip('.')}"


def loaded_plugins() -> tuple[Path, ...]:
    return tuple(_LOADED)


def plugin_modules() -> tuple[ModuleType, ...]:
    return tuple(_LOADED.values())
