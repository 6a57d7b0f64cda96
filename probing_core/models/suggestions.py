"""Model names from the catalog and installed libraries.

``python -m probing_core.models.suggestions`` prints the names as JSON. The dashboard runs this command in a separate
process, because importing the libraries takes several seconds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from probing_core.models import CATALOG, hub


class Suggestions(NamedTuple):
    """Model names to suggest.

    Attributes:
        on_disk: models whose weights are available locally.
        published: all other models, which can be downloaded.
    """

    on_disk: tuple[str, ...]
    published: tuple[str, ...]


def suggestions() -> Suggestions:
    """Return the names of models in the catalog and, if installed, in timm, torchvision and open_clip."""
    sources: dict[str, str] = {}
    for library in (_timm, _torchvision, _open_clip):
        with suppress(ImportError):
            sources |= dict(library())
    in_catalog = {spec.name: spec.check() for spec in CATALOG}
    is_here = {name: hub.on_disk(source).available for name, source in sources.items() if source}
    is_here |= {
        name: availability.available
        for name, availability in in_catalog.items()
        if availability.available or availability.download_from
    }
    return Suggestions(
        tuple(name for name, on_disk in sorted(is_here.items()) if on_disk),
        tuple(name for name, on_disk in sorted(is_here.items()) if not on_disk),
    )


def _timm() -> Iterator[tuple[str, str]]:
    import timm

    for name in timm.list_pretrained():
        config = timm.get_pretrained_cfg(name)
        if config is not None:
            yield f"timm:{name}", str(config.hf_hub_id or config.url or "")


def _torchvision() -> Iterator[tuple[str, str]]:
    from torchvision import models

    for name in models.list_models(module=models):
        yield f"torchvision:{name}", models.get_model_weights(name).DEFAULT.url  # type: ignore[attr-defined]


def _open_clip() -> Iterator[tuple[str, str]]:
    import open_clip

    for architecture, tag in open_clip.list_pretrained():
        config = open_clip.get_pretrained_cfg(architecture, tag)
        yield f"open_clip:{architecture}/{tag}", config.get("hf_hub", "").strip("/") or config.get("url", "")


def main() -> int:
    print(json.dumps(suggestions()._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
