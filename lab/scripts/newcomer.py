"""Measure the duration of the first steps of a new user: ``python -m lab.scripts.newcomer [--wheel FILE]``.

    installation - probing demo - first result - own image - own folder - own model

Installs the clone, or the given wheel, into a new environment, and runs the commands of the documentation in an empty
folder. For each step, it prints the duration, the processor time of the command, and the command or the action on the
page. If a command fails, its error is printed and the next command is run. This takes several minutes and requires disk
space for the environment.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab.devtools.browser import ROOT
from lab.devtools.commands import parser_of
from lab.devtools.fresh import Failed, Fresh, first_page, install
from probing_core.run import layout

DEMO_S = 3600
PICTURES = 60
PICTURE = """
import skimage.data, skimage.io
skimage.io.imsave("cat.jpg", skimage.data.chelsea())
"""
FOLDER = f"""
from pathlib import Path
from PIL import Image
from probing_core.corpora import open_corpus
photographs = open_corpus("photos")
for name in list(photographs.rows["image_id"])[:: len(photographs.rows) // {PICTURES}][:{PICTURES}]:
    file = Path("photos", f"{{name}}.jpg")
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photographs.load(name)).save(file, quality=95)
"""
CHECKPOINT = """
import timm, safetensors.torch
model = timm.create_model("resnet10t", pretrained=False)
safetensors.torch.save_file(model.state_dict(), "my.safetensors")
"""
MINE = ("run", "--out", "runs/mine", "--corpus", "folder:photos", "--models")
MY_MODEL = "timm:resnet10t@weights=my.safetensors"
INSTALL, SERVE = "pip install .", "probing demo"
"""Commands in the README for a separate environment. The other command, ``make demo``, uses an environment in the
clone."""

TYPED = {
    "own picture": ("predict", "cat.jpg"),
    "the same again": ("predict", "cat.jpg"),
    f"own folder of {PICTURES} pictures": (*MINE, "zoo/mae"),
    "own model": (*MINE, f"zoo/mae,{MY_MODEL}"),
    "own picture, own model": ("predict", "cat.jpg", "--run", "runs/mine"),
    "a page to send": ("report", "--run", "runs/mine", "--out", "mine.html"),
    "verdicts on the folder": ("scan", "photos", "--out", "found"),
}
"""Arguments of ``probing`` that are entered in the terminal."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--wheel", type=Path, help="install this wheel instead of the clone")
    options = parser.parse_args()
    print("| step | seconds | of processors | how |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with step("install", INSTALL if options.wheel is None else f"pip install {options.wheel.name}"):
            fresh = install(options.wheel or ROOT, Path(folder))
        prepare(fresh)
        on_the_page(fresh)
        in_the_terminal(fresh)


@contextmanager
def step(title: str, command: str) -> Iterator[None]:
    """Print the row of a step. The processor time covers the commands that ended during the step."""
    began, busy, failure = time.monotonic(), _processor_s(), ""
    try:
        yield
    except Failed as failed:
        failure = f": {failed}"
    print(
        f"| {title} | {time.monotonic() - began:.1f} | {_processor_s() - busy:.1f} | {command}{failure} |", flush=True
    )


def _processor_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def prepare(fresh: Fresh) -> None:
    """Create files of the user: an image, a folder of images, and a model checkpoint."""
    for code in (PICTURE, FOLDER, CHECKPOINT):
        fresh.call("python", "-c", code)


def on_the_page(fresh: Fresh) -> None:
    """Test the demo in a browser: start of the server, first result, upload of an image, and completion of the demo
    run."""
    began = time.monotonic()
    with ExitStack() as serving:
        with step("the demo answers", SERVE):
            address = serving.enter_context(fresh.demo())
        with ExitStack() as looking:
            with step("the first insight", "the page: Explore says what is chosen"):
                page = looking.enter_context(first_page(address))
                page.locator(".px-sentence").filter(has_text="%").wait_for()
            with step("own picture", "the page: Try your images, a picture is dropped in"):
                drop(page, fresh.empty / "cat.jpg")
        with step("the demo run is complete, after the picture", "computed beside all this"):
            wait_for_the_demo(fresh.home)
        print(f"| ... since `probing demo` was typed | {time.monotonic() - began:.1f} | | |", flush=True)


def drop(page: Any, picture: Path) -> None:
    page.get_by_role("link", name="Try your images").click()
    page.get_by_role("heading", level=1, name="Has my image been edited?").wait_for()
    page.locator("input[type=file]").first.set_input_files(str(picture))
    page.get_by_text(f"{picture.name}, ").wait_for()


def wait_for_the_demo(home: Path) -> None:
    for _ in range(DEMO_S):
        states = [json.loads(file.read_bytes())["state"] for file in home.rglob(layout.PROGRESS)]
        if "done" in states:
            return
        if set(states) - {"running"}:
            raise Failed(f"it is {states[0]}")
        time.sleep(1)
    raise Failed(f"it is not complete after {DEMO_S} s")


def in_the_terminal(fresh: Fresh) -> None:
    for title, arguments in TYPED.items():
        with step(title, f"probing {' '.join(arguments)}"):
            print(fresh.call("probing", *arguments), file=sys.stderr)


if __name__ == "__main__":
    main()
