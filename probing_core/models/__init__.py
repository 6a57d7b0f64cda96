"""The catalog of models, and how a name becomes a model in memory.

Listing and checking names loads no deep-learning framework, except for names outside the catalog whose library alone
knows its models (``timm:``, ``torchvision:``, ``open_clip:``).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache

from probing_core.catalog import Catalog, suggest
from probing_core.errors import BadConfig, ModelUnavailable, UnknownName
from probing_core.models import hub, providers, zoo
from probing_core.models.base import ROLES, Availability, EmbedderSpec, LoadedEmbedder, Preprocessing
from probing_core.models.names import ModelName, checkpoints, not_in_catalog, parse
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
"""Every model that is known by name, including registered ones and those of third parties."""


def register(spec: EmbedderSpec) -> None:
    """Add a model to this process; it replaces an earlier one of the same name."""
    if parse(spec.name).options:
        raise BadConfig(f"A model is registered without options; got '{spec.name}'.")
    CATALOG.add(spec)


def bundled() -> tuple[str, ...]:
    """Return the names of the models that a run takes by default, all of which work offline."""
    zoo = [name for name in ZOO_ORDER if name in CATALOG and CATALOG.get(name).check().available]
    return (
        *zoo,
        "timm:tf_efficientnet_lite0",
        "baseline/pixels",
        "baseline/handcrafted",
        "baseline/random-vit",
    )


ROLE_SETS = {"zoo": zoo.SPECS, "published": PUBLISHED}
"""The sets of encoders within which the claims are tested, never across them."""


def encoders_of(role_set: str) -> dict[str, tuple[str, ...]]:
    """Return role -> the encoders of the set ``role_set`` that have it; roles that none has are left out."""
    specs = ROLE_SETS[role_set]
    encoders = {role: tuple(spec.name for spec in specs if spec.role == role) for role in ROLES}
    return {role: names for role, names in encoders.items() if names}


MODEL_SETS: dict[str, Callable[[], tuple[str, ...]]] = {
    "bundled": bundled,
    "zoo": lambda: tuple(spec.name for spec in zoo.SPECS),
    "published": lambda: tuple(name for names in encoders_of("published").values() for name in names),
    "baselines": lambda: tuple(spec.name for spec in baselines.SPECS),
}
"""Names that select several models. ``published`` are the encoders that have a role in the claims."""

PUBLISHED_VIEW = 224
"""Side in pixels of the views that published encoders were trained on."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` without duplicates, with `MODEL_SETS` and patterns of weights files expanded."""
    several = (MODEL_SETS[name]() if name in MODEL_SETS else checkpoints(name) for name in names)
    return tuple(dict.fromkeys(one for names in several for one in names))


def download_summary(names: Iterable[str]) -> str:
    """Return a sentence on what has to be downloaded for the models ``names``; empty if nothing."""
    parsed = (parse(name) for name in names)
    bases = dict.fromkeys(name.base for name in parsed if "weights" not in name.options)
    absent = [spec for name in bases if name in CATALOG and (spec := CATALOG.get(name)).check().download_from]
    if not absent:
        return ""
    each = ", ".join(f"{spec.name} {spec.download_mb:,.0f} MB" for spec in absent)
    return f"To be downloaded first: {each}; {sum(spec.download_mb for spec in absent):,.0f} MB in all."


@cache
def spec_makers() -> dict[str, Callable[[ModelName], EmbedderSpec]]:
    """Return prefix of a name -> the function that makes its spec.

    A provider is a module of `probing_core.models.providers` with ``PREFIXES`` and ``make_spec(ModelName)``.
    """
    found: dict[str, Callable[[ModelName], EmbedderSpec]] = {}
    for module in pkgutil.iter_modules(providers.__path__, f"{providers.__name__}."):
        provider = importlib.import_module(module.name)
        for prefix in getattr(provider, "PREFIXES", ()):
            found[prefix] = provider.make_spec
    return found


def parse_known(name: str) -> ModelName:
    """Return the parts of ``name``, without reading files or asking a host."""
    parsed = parse(name)
    if parsed.base in CATALOG or parsed.provider in spec_makers():
        return parsed
    if parsed.provider:
        problem = (
            f"There is no provider '{parsed.provider}:'.{suggest(parsed.provider, spec_makers())} "
            f"There are: {', '.join(f'{prefix}:' for prefix in spec_makers())}."
        )
    else:
        problem = not_in_catalog(parsed.base, CATALOG.names)
    raise UnknownName(" ".join((problem, *CATALOG.problems)))


def refuse_absent(name: str) -> None:
    """Refuse a model whose file, folder or library is missing, unless it can be downloaded; no host is asked."""
    for one in checkpoints(name):
        locate(one)
        weights = parse(one).options.get("weights")
        if weights and not user_path(weights).exists():
            raise ModelUnavailable(f"'{one}' cannot be used: there is no file or folder '{weights}'.")


def find_spec(name: str) -> EmbedderSpec:
    """Return the spec of the model called ``name``, which may have options, without loading it.

    Raises:
        BadConfig: an option is invalid.
        UnknownName: there is no such model.
        ModelUnavailable: it cannot be used here and now.
    """
    spec, download_from = locate(name)
    if download_from:
        hub.require_host(download_from, spec.name)
    return spec


def locate(name: str) -> tuple[EmbedderSpec, str]:
    """Return the spec of a model that can be used, and the server of what has to be downloaded first, if anything."""
    parsed = parse_known(name)
    spec = CATALOG.get(parsed.base) if parsed.base in CATALOG else spec_makers()[parsed.provider](parsed)
    found = spec.check()
    if found.available or "weights" in parsed.options:
        return spec, ""
    if not found.download_from:
        raise ModelUnavailable(f"'{parsed.base}' cannot be used: {found.why_not}.")
    return spec, found.download_from


def load_embedder(name: str, *, device: str = "auto", precision: str = "auto") -> LoadedEmbedder:
    """Load the model called ``name``.

    Args:
        name: ``NAME@pool=mean@layer=6@weights=PATH``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``auto``.
        precision: ``float32``, ``bfloat16``, ``float16`` or ``auto``.

    Raises:
        BadConfig: an option, device or precision is invalid.
        UnknownName: there is no such model.
        ModelUnavailable: its weights, library or network access is missing.
    """
    return find_spec(name).loader(parse(name), device, precision)
