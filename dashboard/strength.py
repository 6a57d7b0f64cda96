"""The strength slider with its preview: one component, used wherever a page needs it.

All strengths are sent at once, so that the pictures follow the slider without asking the server; the strength is told
to Python when the slider is let go.
"""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.glossary import hint
from dashboard.pictures import Chosen
from probing_core.images import encode_png
from probing_core.transforms import Transform, cut_pair, generator, prepare_source
from probing_core.transforms.distance import color_difference, describe, psnr

LANES = 2
"""Threads that draw a preview: most of its work is done outside of Python."""

EACH = 2
"""Pixels across and down, of which one has its color compared: all of them take longer than the rest of a preview."""

STEPS = 13
"""Strengths along the documented range, both ends included."""

HINTS = {
    "SSIM": hint("ssim"),
    "PSNR": hint("psnr"),
    "Color difference": hint("color difference"),
    "Mean difference": hint("difference"),
    "Perceptual distance": hint("distance"),
    "Counts as visible": hint("visible"),
}
"""What each number beside the pictures means."""

SHARED_SPLIT = "test"
"""Overlays on single pictures draw the art of this split."""


@dataclass(frozen=True, eq=False)
class Preview:
    """A picture under one transform at every step of its range.

    Attributes:
        strengths: in the transform's unit, weakest first.
        before, after: the view without and with it, one of each a strength.
        clean: the different pictures among ``before``, as URLs: mostly one.
        frames: what the component shows of each strength: which of ``clean``, the other picture as URL, numbers, words.
    """

    transform: Transform
    strengths: tuple[float, ...]
    before: tuple[np.ndarray, ...]
    after: tuple[np.ndarray, ...]
    clean: tuple[str, ...]
    frames: tuple[dict[str, Any], ...]


def draw(
    image: np.ndarray, view: int, transform: Transform, strength: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The view of ``image`` without and with ``transform``; the same ``seed`` draws alike at every strength."""
    rng = generator(seed, "preview", transform.name)
    return cut_pair(prepare_source(image, view), view, transform.for_split(SHARED_SPLIT), strength, rng)


@st.cache_resource(max_entries=24, show_spinner=False)
def preview(_picture: Chosen, key: str, view: int, _transform: Transform, name: str) -> Preview:
    """Every step of ``_transform`` on ``_picture``; ``key`` and ``name`` stand for the two in the cache."""
    strengths = tuple(dict.fromkeys(_transform.strength_at(i / (STEPS - 1)) for i in range(STEPS)))
    with ThreadPoolExecutor(LANES) as lanes:
        pairs = list(lanes.map(lambda strength: draw(_picture.image, view, _transform, strength), strengths))
        numbers = lanes.map(lambda pair: _numbers(*pair), pairs)
        shown = lanes.map(lambda pair: _url(pair[1]), pairs)
        clean = {before.tobytes(): before for before, _ in pairs}
        number = {pixels: i for i, pixels in enumerate(clean)}
        frames = tuple(
            {
                "before": number[before.tobytes()],
                "after": url,
                "numbers": facts,
                "text": f"{_transform.parameter} {strength:.3g} {_transform.unit}",
            }
            for (before, _), url, facts, strength in zip(pairs, shown, numbers, strengths, strict=True)
        )
    befores, afters = zip(*pairs, strict=True)
    return Preview(_transform, strengths, befores, afters, tuple(map(_url, clean.values())), frames)


def _some(image: np.ndarray) -> np.ndarray:
    """(h, w, 3): of each square of `EACH` pixels one, drawn at random, in the same places of every picture."""
    height, width = (side // EACH for side in image.shape[:2])
    down, across = np.random.default_rng(0).integers(0, EACH, (2, height, width))
    return image[EACH * np.arange(height)[:, None] + down, EACH * np.arange(width) + across]


def _numbers(before: np.ndarray, after: np.ndarray) -> dict[str, str]:
    facts = describe(before, after)
    ratio = psnr(before, after)
    return {
        "SSIM": f"{facts.ssim:.3f}",
        "PSNR": "identical" if np.isinf(ratio) else f"{ratio:.1f} dB",
        "Color difference": f"{color_difference(_some(before), _some(after)):.1f} ΔE00",
        "Mean difference": f"{facts.difference:.1f} of 255",
        "Perceptual distance": f"{facts.distance:.3f}",
        "Counts as visible": "yes" if facts.visible else "no",
    }


_HTML = """
<div class="strength">
  <figure class="compare"><div class="stage"><img class="before" alt="before"><img class="after" alt="after">
    <div class="divider" aria-hidden="true"></div></div>
    <figcaption><label>before <input class="split" type="range" min="0" max="100" value="50"
      aria-label="Divider between before (left) and after (right)"> after</label></figcaption></figure>
  <figure class="difference"><canvas role="img" aria-label="absolute difference, four times amplified"></canvas>
    <figcaption>difference, × 4</figcaption></figure>
  <div class="facts"><label class="name"></label>
    <input class="amount" type="range" min="0" step="1" aria-label="Strength">
    <output aria-live="polite"></output><dl></dl></div>
</div>
"""
_CSS = """
.strength { display: flex; flex-wrap: wrap; gap: 20px; color: var(--st-text-color); font-family: var(--st-font);
  font-size: 14px; padding: 4px; }
figure { margin: 0; } figcaption { margin-top: 6px; text-align: center; }
.stage { position: relative; width: 256px; height: 256px; }
.stage img, canvas { width: 256px; height: 256px; display: block; image-rendering: auto; border-radius: 4px; }
.stage .after { position: absolute; inset: 0; }
.divider { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--st-primary-color); }
.split { width: 150px; vertical-align: middle; }
input[type=range] { accent-color: var(--st-primary-color); }
.facts { flex: 1 1 240px; min-width: 220px; }
.facts .name { font-weight: 600; display: block; margin-bottom: 6px; }
.facts .amount { width: 100%; } output { display: block; margin: 2px 0 12px; font-size: 16px; }
dl { display: grid; grid-template-columns: auto auto; gap: 4px 16px; margin: 0; }
dt { opacity: .75; text-decoration: underline dotted; text-underline-offset: 3px; cursor: help; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
"""
_JS = """
export default function(component) {
  const { data, parentElement, setStateValue } = component;
  const get = (selector) => parentElement.querySelector(selector);
  const before = get('.before'), after = get('.after'), split = get('.split'), amount = get('.amount');
  const canvas = get('canvas'), numbers = get('dl');
  get('.name').textContent = data.name;
  amount.setAttribute('aria-label', data.name);
  amount.max = data.frames.length - 1;
  amount.disabled = data.frames.length < 2;

  const divide = () => {
    after.style.clipPath = `inset(0 0 0 ${split.value}%)`;
    get('.divider').style.left = split.value + '%';
  };
  const subtract = async () => {
    await Promise.all([before.decode(), after.decode()]).catch(() => {});
    const side = canvas.width = canvas.height = before.naturalWidth || 1;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(before, 0, 0); const a = context.getImageData(0, 0, side, side);
    context.drawImage(after, 0, 0); const b = context.getImageData(0, 0, side, side);
    for (let i = 0; i < a.data.length; i++) {
      if (i % 4 < 3) a.data[i] = Math.min(255, 4 * Math.abs(a.data[i] - b.data[i]));
    }
    context.putImageData(a, 0, 0);
  };
  const show = () => {
    const frame = data.frames[amount.value];
    before.src = data.clean[frame.before]; after.src = frame.after;
    get('output').textContent = frame.text;
    amount.setAttribute('aria-valuetext', frame.text);
    numbers.replaceChildren(...Object.entries(frame.numbers).flatMap(([label, value]) => {
      const term = document.createElement('dt'), detail = document.createElement('dd');
      term.textContent = label; term.title = data.hints[label]; detail.textContent = value;
      return [term, detail];
    }));
    subtract();
  };
  if (parentElement.__shown !== data.id) { amount.value = data.index; parentElement.__shown = data.id; }
  split.oninput = divide; amount.oninput = show;
  amount.onchange = () => setStateValue('index', Number(amount.value));
  divide(); show();
}
"""
_component = st.components.v2.component("probing_strength", html=_HTML, css=_CSS, js=_JS)


def strength_slider(picture: Chosen, view: int, transform: Transform, key: str = "strength") -> float:
    """The slider with its preview; the strength that it stands at, kept in the address as a step."""
    shown = preview(picture, picture.key, view, transform, transform.name)
    last = len(shown.strengths) - 1
    kept = state.chosen(key)
    index = min(int(kept), last) if kept.isdecimal() else last // 2
    # Another one after somebody went back: the component keeps its own state, which would win over the address.
    identity = f"{key}-{picture.key}-{transform.name}-{state.visits()}"
    result = _component(
        key=identity,
        data={
            "id": identity,
            "index": index,
            "name": f"Strength: {transform.parameter} ({transform.unit})",
            "clean": list(shown.clean),
            "frames": list(shown.frames),
            "hints": HINTS,
        },
        default={"index": index},
        on_index_change=lambda: None,
        height="content",
    )
    index = min(int(result.index if result.index is not None else index), last)
    state.publish(key, index)
    return shown.strengths[index]


def _url(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(image, level=1)).decode()
