"""The addresses at which the browser finds the points and pictures of the explorer."""

from __future__ import annotations

import asyncio
import io
import threading
import time

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import explorer
from probing_core.results import Run
from probing_core.results.explorer.data import packed
from tests.dashboard.app_reading import address
from tests.dashboard.serving import completed


@pytest.fixture(scope="module")
def shown(made_run) -> explorer.Explorer:
    return explorer.explorer_of(Run.open(made_run))


@pytest.fixture
def visitor() -> explorer.Visitor:
    return explorer.Visitor()


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=explorer.routes()))


def test_points_are_those_of_the_run(shown, client):
    for part, expected in packed(shown.data)[1].items():
        found = client.get(f"/{shown.address}/{part}")
        assert found.content == expected
        assert "private" in found.headers["cache-control"]


def test_pictures_are_those_of_the_run(shown, client, made_run, visitor):
    run = Run.open(made_run)
    sample = int(shown.data.sample[3])
    answer = client.get(f"/{shown.address}/sample/{sample}", params={"visitor": visitor.key})
    found = np.array(Image.open(io.BytesIO(answer.content)).convert("RGB"))
    assert np.abs(found.astype(int) - run.picture(sample)[1]).mean() < 6
    answer = client.get(f"/{shown.address}/photograph/0", params={"visitor": visitor.key})
    whole, photograph = Image.open(io.BytesIO(answer.content)), run.pictures.photograph(shown.data.crops[0])
    assert whole.size == photograph.shape[1::-1]
    assert max(whole.size) <= explorer.LARGEST_SIDE


def test_large_photograph_is_served_reduced(shown, client, monkeypatch, visitor):
    large = np.zeros((1200, 3000, 3), np.uint8)
    large[:, 1000:2000] = 200
    explorer_ = explorer.Explorer(shown.run)
    monkeypatch.setattr(explorer_.run.pictures, "photograph", lambda image: large)
    answer = client.get(f"/{explorer_.address}/photograph/0", params={"visitor": visitor.key})
    assert Image.open(io.BytesIO(answer.content)).size == (640, 256)


NONSENSE = [
    "99999999",
    "99999",
    "-1",
    "x",
    "1.5",
    "",
    "1" + 30 * "0",
    5000 * "9",
    "%C2%B2",
    "0x1",
    "1e3",
    "%00",
    "../0",
]


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: text[:12])
def test_nonsense_in_the_address_of_an_image_is_404(shown, client, text, visitor):
    for kind in ("sample", "photograph"):
        answer = client.get(f"/{shown.address}/{kind}/{text}", params={"visitor": visitor.key})
        assert answer.status_code == 404


def test_sample_that_the_explorer_does_not_show_is_404(shown, client, visitor):
    others = set(range(shown.run.sample_count)) - set(shown.data.sample.tolist())
    address = f"/{shown.address}/sample/{min(others)}"
    assert client.get(address, params={"visitor": visitor.key}).status_code == 404


@pytest.mark.parametrize("path", ["model/99", "../points", "none"])
def test_part_that_does_not_exist_is_404(shown, client, path):
    assert client.get(f"/{shown.address}/{path}").status_code == 404
    assert client.get(f"/{explorer.FOLDER}/guessed/points").status_code == 404


def test_image_is_404_for_an_unknown_visitor(shown, client):
    address = f"/{shown.address}/sample/{shown.data.sample[0]}"
    assert client.get(address).status_code == 404
    assert client.get(address, params={"visitor": "guessed"}).status_code == 404


def test_run_without_images_serves_its_points_alone(shipped_run, client, visitor):
    shown = explorer.explorer_of(Run.open(shipped_run))
    assert client.get(f"/{shown.address}/points").status_code == 200
    address = f"/{shown.address}/sample/{shown.data.sample[0]}"
    assert client.get(address, params={"visitor": visitor.key}).status_code == 404


def test_one_visitor_cannot_take_the_server_from_others(shown, monkeypatch):
    """Hundreds of requests of one visitor: few are computed at once, too many are refused, others are answered."""
    slow = explorer.Explorer(shown.run)
    running, most, lock = [0], [0], threading.Lock()

    def sample(i: int) -> bytes:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return b"image"

    monkeypatch.setattr(explorer.Explorer, "sample", lambda _, i: sample(i))
    flood, other = explorer.Visitor(), explorer.Visitor()
    samples = shown.data.sample.tolist()

    async def status_of(app: Starlette, i: int, visitor: explorer.Visitor) -> int:
        sent = []
        scope = {"type": "http", "method": "GET", "path": f"/{slow.address}/sample/{i}", "headers": [],
                 "query_string": f"visitor={visitor.key}".encode()}  # fmt: skip

        async def send(message: dict) -> None:
            sent.append(message)

        await app(scope, None, send)
        return sent[0]["status"]

    async def visit() -> tuple[list[int], int, int]:
        app = Starlette(routes=explorer.routes())
        flooding = [asyncio.create_task(status_of(app, i, flood)) for i in samples[:400]]
        await asyncio.sleep(0.05)
        answered = await status_of(app, samples[-1], other)
        pending = sum(not task.done() for task in flooding)
        return await asyncio.gather(*flooding), answered, pending

    statuses, answered, pending = completed(visit())
    assert answered == 200
    assert pending > 0, "the other visitor did not wait for the end of the flood"
    assert most[0] <= explorer.AT_ONCE + 1
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= explorer.AT_ONCE + explorer.WAITING


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": "no/such", "what": {"rows": ["fog"]}}'])
def test_a_selection_in_the_address_stays_there_and_does_no_harm(open_app, text):
    app = open_app("Explore", selection=text)
    assert not app.exception
    if text:
        assert address(app, "selection") == text
