"""Pictures as Python has them, an array, a tensor, a picture of Pillow, a file, as an `Image`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow

from probing_core.errors import BadImage
from probing_core.images import Image, as_image, read_image
from probing_core.images.colors import stored_bits, to_rgb

CHANNELS = (1, 3)
"""Of a tensor, its first dimension."""


def to_image(picture: Any, name: str = "the picture") -> Image:
    """Return ``picture`` as (H, W, 3) ``uint8``, RGB, sRGB, upright, opaque (on white).

    Args:
        picture: an array (H, W, 3) or (H, W) ``uint8``; a picture of Pillow; a tensor of torch (C, H, W), ``uint8`` or
            numbers from 0 to 1; the path or the bytes of an encoded picture, or a mapping that holds one of them, as
            data sets of Hugging Face have it (``path``, ``bytes``).
        name: what messages call it.

    Raises:
        BadImage: it is none of these, or has another shape or type.
    """
    if isinstance(picture, dict):
        picture = picture.get("bytes") or picture.get("path")
    if isinstance(picture, bytes | str | Path):
        return read_image(picture, name if isinstance(picture, bytes) else None)
    if isinstance(picture, pillow.Image):
        return np.array(to_rgb(picture, name, stored_bits(picture), []))
    if hasattr(picture, "detach"):
        return _of_tensor(picture.detach().cpu().numpy(), name)
    return as_image(picture)


def _of_tensor(values: np.ndarray, name: str) -> Image:
    if values.ndim != 3 or values.shape[0] not in CHANNELS:
        raise BadImage(f"A picture as a tensor is of the shape (3, H, W); {name} has the shape {values.shape}.")
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):
            raise BadImage(
                f"A picture as a tensor of {values.dtype} has values from 0 to 1; {name} has some from "
                f"{values.min():.3g} to {values.max():.3g}: leave the normalization to the encoder."
            )
        values = np.rint(values * 255).astype(np.uint8)
    pixels = np.ascontiguousarray(values.transpose(1, 2, 0))
    return as_image(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
