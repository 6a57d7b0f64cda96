"""How pictures are altered by another library, with a made one in its place."""

from __future__ import annotations

import numpy as np
import pytest

from lab.evidence import foreign_pictures


def operations(rng: np.random.Generator) -> dict[tuple[str, str], list]:
    step = int(rng.integers(1, 9))
    return {("add", "tone"): [step, -step], ("untouched", "identity"): [0]}


def changed(image: np.ndarray, way: int, seed: int) -> np.ndarray:
    return (image.astype(int) + way).astype(np.uint8)


@pytest.fixture
def altered(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    given = {name: rng.integers(20, 200, (300, 200, 3), dtype=np.uint8) for name in ("one", "two")}
    np.savez(tmp_path / "given.npz", **given)

    def run(how: str) -> dict[str, np.ndarray]:
        monkeypatch.setattr("sys.argv", ["foreign_made.py", how, tmp_path / "given.npz", tmp_path / "made.npz"])
        foreign_pictures.main(operations, changed)
        return dict(np.load(tmp_path / "made.npz"))

    return given, run


def test_a_photograph_is_seen_in_three_sizes_and_altered_in_every_way(altered):
    made = altered[1]("views")
    assert len(made) == 2 * 3 * 3  # photographs, sizes, ways
    assert {picture.shape for name, picture in made.items() if "|128-" in name} == {(128, 128, 3)}
    assert {picture.shape for name, picture in made.items() if "|256-" in name} == {(256, 256, 3)}
    view, brighter, darker = (
        made[f"one|128-0.6|{name}"].astype(int) for name in ("untouched|identity|0", "add|tone|0", "add|tone|1")
    )
    assert np.array_equal(brighter - view, view - darker)
    assert (brighter > view).all()


def test_a_picture_is_altered_once_by_each_operation_whatever_stands_beside_it(altered, tmp_path):
    given, run = altered
    made = run("pictures")
    assert set(made) == {f"{name}|{what}" for name in given for what in ("add|tone", "untouched|identity")}
    assert np.array_equal(made["two|untouched|identity"], given["two"])
    assert not np.array_equal(made["two|add|tone"], given["two"])
    np.savez(tmp_path / "given.npz", two=given["two"])
    assert np.array_equal(run("pictures")["two|add|tone"], made["two|add|tone"])
