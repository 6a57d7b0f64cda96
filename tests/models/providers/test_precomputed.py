from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.models import load_embedder

KEYS = pd.DataFrame(
    {
        "image_id": ["a", "a", "a", "b", "b", "b"],
        "transform": ["identity", "identity", "blur"] * 2,
        "repetition": [0] * 6,
        "draw": [0, 1, 0] * 2,
    }
)
MATRIX = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def write(kind, tmp_path):
    path = tmp_path / f"mine.{kind.split('-')[0]}"
    if kind == "parquet-list":
        KEYS.assign(embedding=list(MATRIX)).to_parquet(path)
    elif kind == "parquet-columns":
        pd.concat([KEYS, pd.DataFrame(MATRIX).add_prefix("e")], axis=1).to_parquet(path)
    else:
        np.save(path, MATRIX) if kind == "npy" else save_file({"embeddings": MATRIX}, path)
        KEYS.to_csv(path.with_suffix(".csv"), index=False)
    return path


@pytest.mark.parametrize("kind", ["parquet-list", "parquet-columns", "npy", "safetensors"])
def test_every_form_gives_the_rows_that_are_asked_for(kind, tmp_path):
    embedder = load_embedder(f"file:{write(kind, tmp_path)}")
    order = [4, 0, 5, 1]
    wanted = KEYS.iloc[order]
    np.testing.assert_array_equal(embedder.lookup(*(wanted[c].tolist() for c in KEYS)), MATRIX[order])
    np.testing.assert_array_equal(embedder.embed_samples([], wanted)[embedder.name], MATRIX[order])
    assert embedder.dim == 4


def test_what_is_missing_is_named(tmp_path):
    embedder = load_embedder(f"file:{write('npy', tmp_path)}")
    with pytest.raises(ModelUnavailable, match="1 of 2 samples.*image_id c"):
        embedder.lookup(["a", "c"], ["blur", "blur"], [0, 0], [0, 0])
    with pytest.raises(BadConfig, match="cannot embed other pictures"):
        embedder.embed([])


def test_bad_files_get_one_sentence(tmp_path):
    path = write("npy", tmp_path)
    path.with_suffix(".csv").unlink()
    with pytest.raises(ModelUnavailable, match="needs a list of its rows"):
        load_embedder(f"file:{path}")
    KEYS.head(3).to_csv(path.with_suffix(".csv"), index=False)
    with pytest.raises(ModelUnavailable, match="lists 3 rows"):
        load_embedder(f"file:{path}")
    KEYS.drop(columns="draw").to_csv(path.with_suffix(".csv"), index=False)
    with pytest.raises(ModelUnavailable, match="several rows"):
        load_embedder(f"file:{path}")
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ModelUnavailable, match="could not be read"):
        load_embedder(f"file:{path}")
    np.save(path, np.array([["a", "b"]] * 6))
    KEYS.to_csv(path.with_suffix(".csv"), index=False)
    with pytest.raises(ModelUnavailable, match="values of the type <U1; numbers are expected"):
        load_embedder(f"file:{path}")
    with pytest.raises(ModelUnavailable, match="there is no file"):
        load_embedder(f"file:{tmp_path}/nothing.npy")


def test_names_in_a_csv_stay_what_they_are(tmp_path):
    keys = KEYS.assign(image_id=["007", "007", "007", "nan", "nan", "nan"])
    np.save(tmp_path / "mine.npy", MATRIX)
    keys.to_csv(tmp_path / "mine.csv", index=False)
    embedder = load_embedder(f"file:{tmp_path}/mine.npy")
    np.testing.assert_array_equal(embedder.embed_samples([], keys)[embedder.name], MATRIX)


def test_the_key_follows_the_bytes(tmp_path):
    path = write("npy", tmp_path)
    before = load_embedder(f"file:{path}").recipe()
    np.save(path, MATRIX * 2)
    assert load_embedder(f"file:{path}").recipe() != before
