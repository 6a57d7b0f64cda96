"""The recipe of a run: validation and TOML format."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

from probing_core.compute.sampling.samples import Design
from probing_core.errors import BadConfig, BadRun
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import FORMAT, RECIPE
from probing_core.run.run_files import RunFiles
from probing_core.transforms import resolve
from probing_core.transforms.transformation import Transform

VIEW = 128
"""Default view size in pixels."""

UNCOMPARED_ENTRIES = ("corpus", "calibrate_on", "threads")
"""Entries that are recorded but ignored when recipes are compared."""

SMALLEST_VIEW = 32
LARGEST_VIEW = 1024


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings that determine the results of a run.

    Attributes:
        corpus: last known location of the corpus, such as ``photos`` or ``folder:`` with an absolute path.
            ``--corpus`` can set a new location if the fingerprint is the same.
        fingerprint: digest of the images and rows of the corpus, which identifies the corpus.
        view: view size in pixels.
        transforms: names of the transformations, starting with ``identity``.
        models: names of the models. More models can be added later.
        limit: maximum number of images before transformation, or None for all images.
        seed: random seed.
        repetitions: number of random draws of strength and noise per image and transformation.
        calibrate_on, calibrate_fingerprints: last known locations and fingerprints of the corpora of unedited
            photographs that are used for calibrating answers.
        threads: number of threads of the numerical libraries. A different number may change the last bits of results.
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
            raise BadConfig(f"The limit must be at least 1 image; got {self.limit}.")
        if self.repetitions < 1:
            raise BadConfig(f"The number of repetitions must be at least 1; got {self.repetitions}.")
        if not 0 <= self.seed < 2**32:
            raise BadConfig(f"The seed must be at least 0 and less than 2^32; got {self.seed}.")
        if "identity" not in self.transforms or len(self.transforms) < 2:
            raise BadConfig(
                f"A run requires 'identity' and at least one other transformation; "
                f"got {', '.join(self.transforms) or 'none'}."
            )
        for noun, names in (("transform", self.transforms), ("model", self.models)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise BadConfig(f"Each {noun} must be specified only once. Duplicates: {', '.join(twice)}.")

    def to_toml(self) -> dict[str, Any]:
        """Return the content of ``run.toml``. Entries that are None or empty are omitted, because TOML has no null."""
        entries = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"format": FORMAT} | {k: v for k, v in entries.items() if v not in (None, [], "")}

    @classmethod
    def from_toml(cls, content: dict[str, Any]) -> Recipe:
        content = dict(content)
        if (version := content.pop("format", None)) != FORMAT:
            statement = "does not specify a format" if version is None else f"has format {version!r:.20}"
            raise BadConfig(
                f"It {statement}, but this version only supports format {FORMAT}. Recompute the run in a new folder."
            )
        field_names = {f.name for f in fields(cls)}
        unknown = sorted(set(content) - field_names)
        if unknown:
            raise BadConfig(
                f"The recipe has unknown entries: {', '.join(unknown)}. "
                f"Allowed entries: {', '.join(sorted(field_names))}."
            )
        try:
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
            return cls(**values)
        except TypeError as error:
            raise BadConfig(f"The recipe is incomplete: {error}.") from error

    def without_models(self) -> dict[str, Any]:
        """Return the entries that must be equal in two runs for their models to be ranked in one table.

        These are all entries except the models and `UNCOMPARED_ENTRIES`. The location of a corpus does not identify the
        corpus, and the number of threads only affects the last bits of results.
        """
        return {k: v for k, v in self.to_toml().items() if k != "models" and k not in UNCOMPARED_ENTRIES}

    def differences(self, other: Recipe) -> list[str]:
        """Return the entries of `without_models` that differ, formatted as ``name: this value / other value``."""
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


TYPE_NAMES = {str: "a string", int: "an integer", dict: "a table", tuple[str, ...]: "a list of strings"}
"""Type of an entry in TOML files -> name of the type in error messages."""


def require_view(view: int) -> None:
    """Check a view size in pixels.

    Raises:
        BadConfig: the view size is too small or too large.
    """
    if not SMALLEST_VIEW <= view <= LARGEST_VIEW:
        raise BadConfig(
            f"The view size must be between {SMALLEST_VIEW} and {LARGEST_VIEW} pixels; got {view}. "
            f"The default is {VIEW}."
        )


def require_type(what: str, value: Any, hint: Any) -> None:
    """Check the type of a value.

    Args:
        what: description of the value for the error message.
        hint: expected type, which is one of `TYPE_NAMES` or the union of one of these types and None.

    Raises:
        BadConfig: ``value`` has a different type.
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


def read_recipe(store: RunFiles) -> Recipe:
    """Read the recipe of a run.

    Raises:
        BadRun: the recipe cannot be read, or has unknown, missing or invalid entries.
    """
    content = store.read_toml(RECIPE)
    try:
        return Recipe.from_toml(content)
    except BadConfig as error:
        raise BadRun(
            f"Cannot open the run '{store.root}', because its {RECIPE} was modified or created by a different version. "
            f"{error}"
        ) from error


def write_recipe(run: RunDirectory, recipe: Recipe) -> None:
    run.write_recipe(recipe.to_toml())


def load_transforms(recipe: Recipe) -> tuple[Transform, ...]:
    return tuple(resolve(name) for name in recipe.transforms)
