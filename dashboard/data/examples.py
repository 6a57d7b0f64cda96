"""Six example images: an original photograph, four transformed photographs, and a drawn screenshot."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageFont, ImageOps

from dashboard.data import cache
from dashboard.data.pictures import VisitorPicture, data_url
from probing_core.transforms import resolve
from probing_core.transforms.transformation import generator

CHANGED = {
    "clean": ("china/15", "identity", 0.0),
    "blur": ("chelsea/15", "gaussian-blur", 0.5),
    "JPEG": ("coffee/10", "jpeg", 1.0),
    "sepia": ("flower/14", "sepia", 1.0),
    "caption": ("coffee/14", "text", 0.5),
}
"""Name -> (ID of a packaged image, transformation, position in the strength range from 0, weakest, to 1, strongest)."""

SCREENSHOT = "screenshot"
NAMES = (*CHANGED, SCREENSHOT)

WINDOW, LINES = (360, 260), 9
"""Width and height of the drawn window in pixels, and number of text lines in the window."""


@st.cache_resource(show_spinner=False, max_entries=len(NAMES))
def example(name: str) -> VisitorPicture:
    if name == SCREENSHOT:
        return VisitorPicture.from_array(f"example: {name}", _screenshot())
    image_id, transform_name, place = CHANGED[name]
    transform = resolve(transform_name)
    rng = generator(0, "example", transform_name)
    image = cache.packaged_image(image_id)
    changed = transform.for_split("test").apply(image, transform.strength_at(place), rng)
    return VisitorPicture.from_array(f"example: {name}", changed)


def _screenshot() -> np.ndarray:
    width, height = WINDOW
    picture = Image.new("RGB", WINDOW, "#ffffff")
    draw = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(14), ImageFont.load_default(11)
    draw.rectangle((0, 0, width, 26), fill="#2b5c8a")
    draw.text((10, 5), "Notes", fill="#ffffff", font=font)
    for i, color in enumerate(("#e8e8e8", "#f2c94c", "#eb5757")):
        draw.ellipse((width - 22 - 20 * i, 7, width - 10 - 20 * i, 19), fill=color)
    draw.rectangle((0, 27, 96, height), fill="#eef1f5")
    for i, title in enumerate(("Today", "Garden", "Recipes", "Letters")):
        draw.rectangle((6, 36 + 28 * i, 90, 58 + 28 * i), fill="#cfe0f1" if i == 1 else "#eef1f5")
        draw.text((12, 41 + 28 * i), title, fill="#22303c", font=small)
    draw.text((110, 38), "Water the tomatoes", fill="#22303c", font=font)
    sentence = "Every second evening, and in a dry week every evening; not on the leaves."
    for i in range(LINES):
        start = 7 * i % len(sentence)
        draw.text((110, 66 + 18 * i), (sentence + " " + sentence)[start : start + 38], fill="#44525e", font=small)
    draw.rectangle((110, height - 30, 180, height - 10), fill="#2b5c8a")
    draw.text((124, height - 27), "Save", fill="#ffffff", font=small)
    return np.asarray(picture)


@st.cache_resource(show_spinner=False, max_entries=4 * len(NAMES))
def thumbnail(name: str, side: int) -> str:
    """Return a square thumbnail of the example ``name`` as a data URL."""
    square = ImageOps.fit(Image.fromarray(example(name).image), (side, side), Image.Resampling.LANCZOS)
    return data_url(np.asarray(square), lossless=False)
