"""Networks with random weights, used to estimate durations before weights are downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from probing_core.errors import ModelUnavailable
from probing_core.models import load_embedder, locate
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.model_names import ModelName, parse
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing
from probing_core.models.providers import checkpoints, huggingface, open_clip, timm, torchvision

BUILDERS: dict[str, Callable[[ModelName], tuple[Network, Preprocessing]]] = {
    **dict.fromkeys(checkpoints.CHECKPOINT_FAMILIES, checkpoints.untrained),
    "timm": timm.untrained,
    "torchvision": torchvision.untrained,
    "open_clip": open_clip.untrained,
    "hf": huggingface.untrained,
}
"""Functions that build a network with random weights, by model name or provider."""


@dataclass(frozen=True)
class Download:
    """Size of a download.

    Attributes:
        megabytes: size in megabytes; 0 if nothing is downloaded.
        is_exact: whether the size is from the catalog or server. If not, it is computed from the number of weights.
    """

    megabytes: float = 0.0
    is_exact: bool = True

    def __add__(self, other: Download) -> Download:
        return Download(self.megabytes + other.megabytes, self.is_exact and other.is_exact)

    def __str__(self) -> str:
        return f"{'' if self.is_exact else 'about '}{self.megabytes:,.0f} MB"


def load_or_build(name: str, *, device: str, precision: str) -> tuple[LoadedEmbedder, Download]:
    """Load a model, or build it with random weights if its weights are not available locally.

    Neither random weights nor networks compiled from them are stored.

    Returns:
        The model, and the size of the required download.

    Raises:
        ProbingError: the model cannot be loaded (see `load_embedder`), or cannot be built without its files.
    """
    spec, download_from = locate(name)
    if not download_from:
        return load_embedder(name, device=device, precision=precision), Download()
    parsed = parse(name)
    build = BUILDERS.get(parsed.base) or BUILDERS.get(parsed.provider)
    try:
        if build is None:
            raise ModelUnavailable("its weights are missing, and its network cannot be built without them.")
        network, preprocessing = build(parsed)
    except ModelUnavailable as error:
        raise ModelUnavailable(f"The duration for '{name}' cannot be estimated: {error}") from error
    embedder = NetworkEmbedder(
        parsed.full, replace(network, is_random=True), preprocessing, parsed.options, device, precision
    )
    download_mb = spec.download_mb or spec.ask_download_mb()
    return embedder, Download(download_mb or embedder.megabytes, is_exact=bool(download_mb))
