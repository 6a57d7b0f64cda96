"""``python -m lab.evidence.parity [--write]``: what `probing parity` says of faults that were planted.

An encoder of the zoo as the product runs it, beside pipelines that torchvision's transforms prepare, each with one
fault (one with two); the input size is that of EfficientNet-Lite0, since the zoo's take no other. Then the vectors of
these pipelines alone, as a file has them, beside the encoder by its name and beside a function without a fault. Prints
two tables as Markdown, or writes them into docs/how-to/parity.md. Several minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow

from lab.devtools.commands import errors_in_a_line, put
from probing_core.api.parity import Parity, parity, write_golden
from probing_core.compute.parity.pictures import golden_pictures
from probing_core.measures.notation import decimal
from probing_core.models import LoadedEmbedder, load_embedder
from probing_core.transforms import Image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "parity.md"
BEGIN = "<!-- generated: python -m lab.evidence.parity -->"
MODEL = "zoo/mae"
OF_ANY_SIZE = "timm:tf_efficientnet_lite0"
HEAD = (
    "| planted | shift of photographs | as far as | largest shift | what parity said | largest shift left |\n"
    "| --- | --- | --- | --- | --- | --- |"
)
BESIDE_FILES = "<!-- generated: python -m lab.evidence.parity, beside files -->"
HEAD_OF_FILES = (
    "| planted in the file | what parity said beside the model | shift left | beside a function | shift left |\n"
    "| --- | --- | --- | --- | --- |"
)
INPUT_SIZE = f"another input size (192 of `{OF_ANY_SIZE}`)"
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class ByHand:
    """A pipeline of torchvision's transforms before the network of ``embedder``; its options are the faults."""

    def __init__(self, embedder: LoadedEmbedder) -> None:
        self.embedder = embedder
        assert embedder.known_preprocessing is not None
        self.own = embedder.known_preprocessing

    def __call__(
        self,
        images: Sequence[Image],
        *,
        side: int | None = None,
        antialias: bool = True,
        bgr: bool = False,
        scale: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> np.ndarray:
        from torchvision import transforms

        side = side or self.own.size[0]
        mode = transforms.InterpolationMode(self.own.interpolation)
        resize = transforms.Resize(int(side / self.own.crop), mode, antialias=antialias)
        crop = transforms.CenterCrop(side)
        normalize = transforms.Normalize(*(scale or (self.own.mean, self.own.std)))
        to_tensor = transforms.ToTensor()
        rows = []
        for image in images:
            picture = pillow.fromarray(np.ascontiguousarray(image[..., ::-1]) if bgr else image)
            # Pillow always antialiases; tensors are resized with or without.
            ready = to_tensor(crop(resize(picture))) if antialias else crop(resize(to_tensor(picture)))
            rows.append(normalize(ready).permute(1, 2, 0).numpy())
        return self.embedder.embed_batch(np.stack(rows))


def planted(pipeline: ByHand) -> Mapping[str, Callable[[Any], np.ndarray]]:
    """Name of each fault -> the pipeline with it."""

    def shuffled(images: Sequence[Image]) -> np.ndarray:
        return pipeline(images)[np.random.default_rng(0).permutation(len(images))]

    def overflowing(images: Sequence[Image]) -> np.ndarray:
        scaled = (100 * pipeline(images)).astype(np.float16)
        with np.errstate(over="ignore"):
            return scaled / np.sqrt((scaled * scaled).sum(1, keepdims=True, dtype=np.float16))

    def from_files(paths: Sequence[Path]) -> np.ndarray:
        return pipeline([np.asarray(pillow.open(path).convert("RGB")) for path in paths])

    def normalized(images: Sequence[Image]) -> np.ndarray:
        vectors = pipeline(images)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return {
        "nothing: torchvision's transforms": pipeline,
        "BGR for RGB": lambda images: pipeline(images, bgr=True),
        "a resize without antialiasing": lambda images: pipeline(images, antialias=False),
        "another mean and deviation (0.5 and 0.5)": lambda images: pipeline(images, scale=HALF),
        "float16 that overflows in a norm": overflowing,
        "a shuffled batch": shuffled,
        "BGR, and another mean and deviation": lambda images: pipeline(images, bgr=True, scale=HALF),
        'files opened by `convert("RGB")` of Pillow': from_files,
        "vectors scaled to length 1": normalized,
        "stored as float16": lambda images: pipeline(images).astype(np.float16),
    }


def row(fault: str, found: Parity) -> str:
    """One line of the table of pipelines that can be called."""
    cells = (
        fault,
        _shift(found.shift),
        found.as_far_as or ("nothing" if found.shift == 0 else "farther than all"),
        _shift(found.largest),
        _said(found),
        _shift(found.left),
    )
    return f"| {' | '.join(cells)} |"


def row_of_file(fault: str, vectors: np.ndarray, model: LoadedEmbedder, function: Callable[..., np.ndarray]) -> str:
    """One line of the table of vectors alone."""
    found = [parity(known, vectors, device="cpu") for known in (model, function)]
    return f"| {fault} | {' | '.join(f'{_said(one)} | {_shift(_left_of_photographs(one))}' for one in found)} |"


def _said(found: Parity) -> str:
    total = len(found.pictures)
    said = "; ".join(f"{finding.step}: {finding.words} ({finding.pictures} of {total})" for finding in found.findings)
    return said.replace("|", "\\|") or ("alike" if found.alike else "none of the steps that were tried")


def _left_of_photographs(found: Parity) -> float:
    """The mean shift of the photographs with all that was found made alike."""
    left = [finding.left for finding in found.findings if finding.step != "decoding" and np.isfinite(finding.left)]
    return left[-1] if left else found.shift


def vectors_of(pipeline: Callable[[Any], np.ndarray]) -> np.ndarray:
    """Return the vectors of the golden pictures, as a pipeline that runs elsewhere would send them back."""
    if "paths" not in inspect.signature(pipeline).parameters:
        return pipeline([picture.decode() for picture in golden_pictures()])
    with tempfile.TemporaryDirectory() as folder:
        write_golden(Path(folder))
        return pipeline([Path(folder) / picture.name for picture in golden_pictures()])


def _shift(value: float) -> str:
    return "not finite" if np.isinf(value) else decimal(value, 2)


@errors_in_a_line
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into its page")
    options = parser.parse_args()
    mine, other = (load_embedder(name, device="cpu", precision="float32") for name in (MODEL, OF_ANY_SIZE))
    hand, other_hand = ByHand(mine), ByHand(other)
    faults: list[tuple[str, LoadedEmbedder, Callable[..., np.ndarray], Callable[[Any], np.ndarray]]]
    faults = [(fault, mine, hand, pipeline) for fault, pipeline in planted(hand).items()]
    faults.append((INPUT_SIZE, other, other_hand, partial(other_hand, side=192)))
    called, files = [HEAD], [HEAD_OF_FILES]
    for fault, model, function, pipeline in faults:
        called.append(row(fault, parity(model, pipeline, device="cpu")))
        files.append(row_of_file(fault, vectors_of(pipeline), model, function))
        print(f"{called[-1]}\n{files[-1]}", flush=True)
    if options.write:
        page = put(PAGE.read_text(encoding="utf-8"), BEGIN, "\n".join(called))
        PAGE.write_text(put(page, BESIDE_FILES, "\n".join(files)), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
