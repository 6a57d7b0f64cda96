"""Catalog of models, and functions that load a model by name.

Listing models and checking names do not import a deep-learning framework, unless a name that is not in the catalog must
be checked by its library (``timm:``, ``torchvision:``, ``open_clip:``).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache

from probing_core.arguments import TEXT, checked
from probing_core.catalog import Catalog, suggest
from probing_core.errors import BadConfig, ModelUnavailable, UnknownName
from probing_core.models import hub, providers, zoo
from probing_core.models.embedder import ROLES, Availability, EmbedderSpec, LoadedEmbedder
from probing_core.models.model_names import ModelName, checkpoints, not_in_catalog, parse
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.providers import baselines
from probing_core.models.providers.callables import from_array, from_callable, from_module, module_function
from probing_core.models.providers.checkpoints import PUBLISHED
from probing_core.paths import user_path

__all__ = [
    "CATALOG",
    "MODEL_SETS",
    "ROLES",
    "Availability",
    "EmbedderSpec",
    "LoadedEmbedder",
    "ModelName",
    "Preprocessing",
    "bundled",
    "download_summary",
    "encoders_of",
    "expand",
    "find_spec",
    "from_array",
    "from_callable",
    "from_module",
    "load_embedder",
    "locate",
    "module_function",
    "parse",
    "refuse_absent",
    "register",
]

ZOO_ORDER = ("zoo/supervised", "zoo/simclr", "zoo/mae", "zoo/can", "zoo/clip", "zoo/align")

CATALOG: Catalog[EmbedderSpec] = Catalog(
    "model", (*zoo.SPECS, *PUBLISHED, *baselines.SPECS), entry_point_group="probing.embedders"
)
"""Catalog of all models, including registered models and models from other packages."""


def register(spec: EmbedderSpec) -> None:
    """Add a model to the catalog of this process, replacing a previously added model with the same name."""
    if parse(spec.name).options:
        raise BadConfig(f"A model must be registered without options, got '{spec.name}'.")
    CATALOG.add(spec)


def bundled() -> tuple[str, ...]:
    """Return the names of the default models of a run, all of which work offline."""
    zoo = [name for name in ZOO_ORDER if name in CATALOG and CATALOG.get(name).check().available]
    return (
        *zoo,
        "timm:tf_efficientnet_lite0",
        "baseline/pixels",
        "baseline/handcrafted",
        "baseline/random-vit",
    )


ROLE_SETS = {"zoo": zoo.SPECS, "published": PUBLISHED}
"""Sets of encoders, by name. Claims are tested within a set, never across sets."""


def encoders_of(role_set: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the encoders in ``role_set``, by role. Roles without an encoder are omitted."""
    specs = ROLE_SETS[role_set]
    encoders = {role: tuple(spec.name for spec in specs if spec.role == role) for role in ROLES}
    return {role: names for role, names in encoders.items() if names}


MODEL_SETS: dict[str, Callable[[], tuple[str, ...]]] = {
    "bundled": bundled,
    "zoo": lambda: tuple(spec.name for spec in zoo.SPECS),
    "published": lambda: tuple(name for names in encoders_of("published").values() for name in names),
    "baselines": lambda: tuple(spec.name for spec in baselines.SPECS),
}
"""Sets of models, by name. ``published`` includes only encoders that have a role in the claims."""

PUBLISHED_VIEW = 224
"""View size in pixels for runs with published encoders. Most of these encoders have this input size."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Expand model sets and patterns for weight files in ``names``, and remove duplicates."""
    several = (MODEL_SETS[name]() if name in MODEL_SETS else checkpoints(name) for name in names)
    return tuple(dict.fromkeys(full_name for expanded in several for full_name in expanded))


def download_summary(names: Iterable[str]) -> str:
    """Return a sentence that lists the downloads required by the models ``names``, or an empty string."""
    parsed = (parse(name) for name in names)
    bases = dict.fromkeys(name.base for name in parsed if "weights" not in name.options)
    absent = [spec for name in bases if name in CATALOG and (spec := CATALOG.get(name)).check().download_from]
    if not absent:
        return ""
    downloads = ", ".join(f"{spec.name} {spec.download_mb:,.0f} MB" for spec in absent)
    return f"Models to download first: {downloads}; {sum(spec.download_mb for spec in absent):,.0f} MB in total."


@cache
def spec_makers() -> dict[str, Callable[[ModelName], EmbedderSpec]]:
    """Return the functions that create specs, by name prefix.

    A provider is a module in `probing_core.models.providers` that defines ``PREFIXES`` and ``make_spec(ModelName)``.
    """
    makers: dict[str, Callable[[ModelName], EmbedderSpec]] = {}
    for module in pkgutil.iter_modules(providers.__path__, f"{providers.__name__}."):
        provider = importlib.import_module(module.name)
        for prefix in getattr(provider, "PREFIXES", ()):
            makers[prefix] = provider.make_spec
    return makers


def parse_known(name: str) -> ModelName:
    """Parse ``name``, and check that it is in the catalog or that its provider exists.

    Files and the network are not accessed.

    Raises:
        BadConfig: an option is invalid.
        UnknownName: neither the model nor its provider exists.
    """
    parsed = parse(name)
    if parsed.base in CATALOG or parsed.provider in spec_makers():
        return parsed
    if parsed.provider:
        problem = (
            f"'{parsed.provider}:' is not a known model type.{suggest(parsed.provider, spec_makers())} "
            f"Use one of {', '.join(f'{prefix}:' for prefix in spec_makers())}."
        )
    else:
        problem = not_in_catalog(parsed.base, CATALOG.names)
    raise UnknownName(" ".join((problem, *CATALOG.problems)), hint="Run `probing models` to list all models.")


def refuse_absent(name: str) -> None:
    """Raise an error if a model requires a file, folder or library that is missing and cannot be downloaded.

    The network is not accessed.
    """
    for checkpoint in checkpoints(name):
        locate(checkpoint)
        weights = parse(checkpoint).options.get("weights")
        if weights and not user_path(weights).exists():
            raise ModelUnavailable(f"'{checkpoint}' cannot be used: the file or folder '{weights}' does not exist.")


def find_spec(name: str) -> EmbedderSpec:
    """Return the spec of the model ``name``, which may include options, without loading the model.

    Raises:
        BadConfig: an option is invalid.
        UnknownName: the model does not exist.
        ModelUnavailable: the model is not available locally and cannot be downloaded.
    """
    spec, download_from = locate(name)
    if download_from:
        hub.require_host(download_from, spec.name)
    return spec


def locate(name: str) -> tuple[EmbedderSpec, str]:
    """Return the spec of the model ``name``, and the URL of the server from which it must be downloaded.

    The URL is empty if no download is required.

    Raises:
        BadConfig: an option is invalid.
        UnknownName: the model does not exist.
        ModelUnavailable: the model is not available locally, and no server provides it.
    """
    parsed = parse_known(name)
    spec = CATALOG.get(parsed.base) if parsed.base in CATALOG else spec_makers()[parsed.provider](parsed)
    availability = spec.check()
    if availability.available or "weights" in parsed.options:
        return spec, ""
    if not availability.download_from:
        raise ModelUnavailable(f"'{parsed.base}' cannot be used: {availability.why_not}.", hint=availability.hint)
    return spec, availability.download_from


@checked(name=TEXT, device=TEXT, precision=TEXT)
def load_embedder(name: str, *, device: str = "auto", precision: str = "auto") -> LoadedEmbedder:
    """Load a model.

    Examples:
        >>> embedder = probing_core.load_embedder("baseline/dhash")
        >>> embedder.embed([np.zeros((128, 128, 3), np.uint8)]).shape
        (1, 64)

    Args:
        name: model name, which may include options: ``NAME@pool=mean@layer=6@weights=PATH``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``auto``.
        precision: ``float32``, ``bfloat16``, ``float16`` or ``auto``.

    Raises:
        BadConfig: an option, device or precision is invalid.
        UnknownName: the model does not exist.
        ModelUnavailable: the weights, a required library, or network access is missing.
    """
    return find_spec(name).loader(parse(name), device, precision)
