"""How pictures are altered by another library, with a made one in its place."""

from __future__ import annotations

import numpy as np

from lab.evidence import foreign_pictures


def operations(rng: np.random.Generator) -> dict[tuple[str, str], list]:
    step = int(rng.integers(1, 9))
    return {("add", "tone"): [step, -step], ("untouched", "identity"): [0]}


def changed(image: np.ndarray, way: int, seed: int) -> np.ndarray:
    return (image.astype(int) + way).astype(np.uint8)


def test_a_picture_is_altered_once_by_each_operation_whatever_stands_beside_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    given = {name: rng.integers(20, 200, (30, 20, 3), dtype=np.uint8) for name in ("one", "two")}

    def run(some: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        np.savez(tmp_path / "given.npz", **some)
        monkeypatch.setattr("sys.argv", ["foreign_made.py", tmp_path / "given.npz", tmp_path / "made.npz"])
        foreign_pictures.main(operations, changed)
        return dict(np.load(tmp_path / "made.npz"))

    made = run(given)
    assert set(made) == {f"{name}|{what}" for name in given for what in ("add|tone", "untouched|identity")}
    assert np.array_equal(made["two|untouched|identity"], given["two"])
    assert not np.array_equal(made["two|add|tone"], given["two"])
    assert np.array_equal(run({"two": given["two"]})["two|add|tone"], made["two|add|tone"])
