from __future__ import annotations

import pytest

from probing_core.results.explorer.public_names import public_names

PRIVATE = {
    "timm:resnet18@weights=/Users/Jane Doe/secret project/w.pt": "timm:resnet18@weights=w.pt",
    "timm:resnet18@layer=3@weights=C:\\Users\\Jane Doe\\secret\\w.pt": "timm:resnet18@layer=3@weights=w.pt",
    "timm:resnet18@weights=~/secret/w.pt": "timm:resnet18@weights=w.pt",
    "timm:resnet18@weights=secret project/w.pt": "timm:resnet18@weights=w.pt",
    "timm:resnet18@weights=\\\\server\\Jane Doe\\w.pt": "timm:resnet18@weights=w.pt",
    "timm:resnet18@weights=/mnt/a,b@c/w.pt": "timm:resnet18@weights=w.pt",
    "timm:resnet18@weights=/mnt/secret/checkpoint/": "timm:resnet18@weights=checkpoint",
    "onnx:/home/Jane Doe/encoder.onnx": "onnx:encoder.onnx",
    "onnx:C:\\Users\\Jane Doe\\encoder.onnx@weights=/mnt/secret/w.pt": "onnx:encoder.onnx@weights=w.pt",
    "onnx:secret/encoder.onnx": "onnx:encoder.onnx",
    "hf:/home/Jane Doe/checkpoint": "hf:checkpoint",
    "hf:~/secret/checkpoint@pool=cls": "hf:checkpoint@pool=cls",
    "hf:./secret/checkpoint": "hf:checkpoint",
    "open_clip:C:/Users/Jane Doe/checkpoint": "open_clip:checkpoint",
    "/home/Jane Doe/encoders.py:encode": "encoders.py:encode",
    "secret/encoders.py:encode": "encoders.py:encode",
    "C:\\Users\\Jane Doe\\encoders.py:encode": "encoders.py:encode",
}

PUBLIC = [
    "zoo/mae@seed=1",
    "baseline/pixels",
    "timm:vit_base_patch16_224.mae@layer=6@pool=mean",
    "open_clip:ViT-B-32/laion2b_s34b_b79k",
    "open_clip:hf-hub:timm/vit_base",
    "hf:facebook/dinov2-small",
    "torchvision:resnet50",
]


@pytest.mark.parametrize(("name", "expected"), PRIVATE.items())
def test_public_names_keep_file_names_only(name, expected):
    assert public_names([name]) == {name: expected}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_keep_names_without_a_path(name):
    assert public_names([name]) == {name: name}


def test_public_names_of_a_local_repository(tmp_path, monkeypatch):
    (tmp_path / "runs" / "best").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert public_names(["hf:runs/best", "hf:runs/other"]) == {
        "hf:runs/best": "hf:best",
        "hf:runs/other": "hf:runs/other",
    }


def test_public_names_remain_distinct():
    names = [f"timm:resnet18@weights={folder}/w.pt" for folder in "abc"]
    assert len(set(public_names([*names, *names]).values())) == 3
