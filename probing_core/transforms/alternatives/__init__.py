"""The bank's transforms by other hands: the same things done as other programs do them, one file a group.

What a probe learns from one implementation of fog it may not find in another's. Evaluation stays with the bank;
deployment probes, which meet pictures that other programs have changed, learn these as well. A rendering is
``(image, rng) -> image`` of the same size: it draws its own strength within what the transform's law makes, and its
lengths are fractions of the side. All start from pictures that other programs hand over (`clean`), which are the
renderings of identity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probing_core.transforms.alternatives import artistic, blur, codec, color, geometry, noise, tone, weather
from probing_core.transforms.alternatives.clean import clean
from probing_core.transforms.base import Image

__all__ = ["RENDERINGS", "Rendering", "clean"]

Rendering = Callable[[Image, np.random.Generator], Image]

RENDERINGS: dict[str, Rendering] = {
    "desaturate": color.desaturate,
    "hue-shift": color.hue_shift,
    "sepia": color.sepia,
    "brighten": tone.brighten,
    "contrast": tone.contrast,
    "gamma": tone.gamma,
    "gaussian-blur": blur.gaussian_blur,
    "motion-blur": blur.motion_blur,
    "defocus-blur": blur.defocus_blur,
    "gaussian-noise": noise.gaussian_noise,
    "salt-and-pepper": noise.salt_and_pepper,
    "speckle": noise.speckle,
    "jpeg": codec.jpeg,
    "pixelate": codec.pixelate,
    "posterize": codec.posterize,
    "rotate": geometry.rotate,
    "perspective": geometry.perspective,
    "swirl": geometry.swirl,
    "emboss": artistic.emboss,
    "fog": weather.fog,
    "rain": weather.rain,
    "snow": weather.snow,
}
"""Name of the transform -> the same by another hand. The others are drawn in one way everywhere, or nowhere else."""
