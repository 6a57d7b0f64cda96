"""The recipe of a run: a frozen dataclass that validates itself, and its TOML format."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

from probing_core.compute.sampling.samples import Design
from probing_core.errors import BadConfig, BadRun
from probing_core.run.layout import FORMAT, RECIPE
from probing_core.run.store import Files, Store, digest
from probing_core.transforms import resolve
from probing_core.transforms.transformation import Transform

VIEW = 128
"""Default side of a view in pixels."""

UNCOMPARED_ENTRIES = ("corpus", "calibrate_on", "threads")
"""Entries that are recorded but not compared, so two runs, or a run and a command, may differ in them."""

SMALLEST_VIEW = 32
LARGEST_VIEW = 1024


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings that determine the results of a run. `Recipe.differences` ignores the models.

    Attributes:
        corpus: last known location of the corpus, as in commands (``photos``), with absolute paths. ``--corpus``
            replaces it if the fingerprint is the same.
        fingerprint: digest of the images and rows of the corpus, which identifies it.
        view: side of the views in pixels.
        transforms: names of the transformations, identity first.
        models: names of the models; more models may be added later.
        limit: maximum number of images before transformation; None for all.
        seed: random seed.
        repetitions: number of random draws of strength and noise per image and transformation.
        calibrate_on, calibrate_fingerprints: names and digests of the corpora whose unedited photographs are used for
            calibrating verdicts; like ``corpus``, the names are last known locations.
        threads: number of threads of the numerical libraries; a different number may change the last bits.
    """

    corpus: str
    fingerprint: str
    view: int = VIEW
    transforms: tuple[str, ...]
    models: tuple[str, ...]
    limit: int | None = None
    seed: int = 0
    repetitions: int = 1
    threads: int = 2
    calibrate_on: tuple[str, ...] = ()
    calibrate_fingerprints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            require_type(f"The recipe's '{name}'", getattr(self, name), hint)
        require_view(self.view)
        if self.limit is not None and self.limit < 1:
            raise BadConfig(f"The limit is a number of images, 1 or more; got {self.limit}.")
        if self.repetitions < 1:
            raise BadConfig(f"Repetitions must be 1 or more; got {self.repetitions}.")
        if not 0 <= self.seed < 2**32:
            raise BadConfig(f"The seed must be 0 or more, and less than 2^32; got {self.seed}.")
        if "identity" not in self.transforms or len(self.transforms) < 2:
            raise BadConfig(
                f"A run needs 'identity' and at least one transformation; got {', '.join(self.transforms) or 'none'}."
            )
        for noun, names in (("transform", self.transforms), ("model", self.models)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise BadConfig(f"Each {noun} may be given only once; given twice: {', '.join(twice)}.")

    def to_toml(self) -> dict[str, Any]:
        """Return the content of ``run.toml``, without entries that are None or empty, because TOML has no null."""
        entries = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"format": FORMAT} | {k: v for k, v in entries.items() if v not in (None, [], "")}

    @classmethod
    def from_toml(cls, content: dict[str, Any]) -> Recipe:
        content = dict(content)
        if (version := content.pop("format", None)) != FORMAT:
            statement = "states no format" if version is None else f"is of format {version!r:.20}"
            raise BadConfig(
                f"It {statement}, and this version reads format {FORMAT}. Recompute the run in a new folder."
            )
        field_names = {f.name for f in fields(cls)}
        unknown = sorted(set(content) - field_names)
        if unknown:
            raise BadConfig(
                f"The recipe has unknown entries: {', '.join(unknown)}. Known: {', '.join(sorted(field_names))}."
            )
        try:
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
            return cls(**values)
        except TypeError as error:
            raise BadConfig(f"The recipe is incomplete: {error}.") from error

    def without_models(self) -> dict[str, Any]:
        """Return the entries that two runs must share to be ranked in one table.

        These are all entries except the models and `UNCOMPARED_ENTRIES`: the location of a corpus does not identify it,
        and the number of threads only affects the last bits.
        """
        return {k: v for k, v in self.to_toml().items() if k != "models" and k not in UNCOMPARED_ENTRIES}

    def differences(self, other: Recipe) -> list[str]:
        """Return the entries that differ, except the models, as ``name: this / other``."""
        entries, other_entries = self.without_models(), other.without_models()
        return [
            f"{name}: {entries.get(name)} / {other_entries.get(name)}"
            for name in sorted(entries.keys() | other_entries.keys())
            if entries.get(name) != other_entries.get(name)
        ]

    @property
    def design(self) -> Design:
        return Design(
            view=self.view,
            transforms=load_transforms(self),
            seed=self.seed,
            repetitions=self.repetitions,
            limit=self.limit,
            threads=self.threads,
        )


TYPE_NAMES = {str: "text", int: "a whole number", dict: "a table", tuple[str, ...]: "a list of texts"}
"""Type of an entry in TOML files -> its name in error messages."""


def require_view(view: int) -> None:
    """Check the side of a view in pixels.

    Raises:
        BadConfig: the side is too small or too large.
    """
    if not SMALLEST_VIEW <= view <= LARGEST_VIEW:
        raise BadConfig(
            f"The view must be {SMALLEST_VIEW} to {LARGEST_VIEW} pixels; got {view}. The default is {VIEW}."
        )


def require_type(what: str, value: Any, hint: Any) -> None:
    """Check that ``value`` has the type ``hint``, which is one of `TYPE_NAMES`, or the union of one of them and None.

    Raises:
        BadConfig: ``value``, which comes from a TOML file or a caller, has a different type.
    """
    (kind,) = [accepted for accepted in TYPE_NAMES if hint in (accepted, accepted | None)]
    if value is None and hint != kind:
        return
    if kind == tuple[str, ...]:
        fits = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    else:
        fits = isinstance(value, kind) and not isinstance(value, bool)
    if not fits:
        raise BadConfig(
            f"{what} must be {TYPE_NAMES[kind]}; {'it is missing' if value is None else f'got {value!r:.80}'}."
        )


def read_recipe(store: Files) -> Recipe:
    """Read the recipe of a run.

    Raises:
        BadRun: the recipe cannot be read, or has entries that are unknown, missing or of the wrong type.
    """
    if getattr(store, "base", None) is not None:
        raise BadRun(
            f"The run '{store.root}' refers to files of a different run, as in earlier versions.",
            hint=f"Run `probing run --out {store.root}` to copy them.",
        )
    content = store.read_toml(RECIPE)
    try:
        return Recipe.from_toml(content)
    except BadConfig as error:
        raise BadRun(
            f"The run '{store.root}' cannot be opened: its {RECIPE} was changed or has a different version: {error}"
        ) from error


def write_recipe(store: Store, recipe: Recipe) -> None:
    store.write_toml(RECIPE, recipe.to_toml(), digest(recipe.to_toml()))


def load_transforms(recipe: Recipe) -> tuple[Transform, ...]:
    return tuple(resolve(name) for name in recipe.transforms)
