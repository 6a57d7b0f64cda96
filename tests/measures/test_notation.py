"""Numbers as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing_core.measures.notation import (
    counted,
    decimal,
    in_percent,
    in_points,
    interval_in_percent,
    minus,
    model_title,
    model_titles,
    p_value,
    percent_interval,
    points_interval,
    transform_title,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (240.0, 2, "240"),
        (2.4, 2, "2.4"),
        (12_400, 3, "12,400"),
        (12_449.6, 3, "12,450"),
        (0.0123456, 3, "0.0123"),
        (0.00001, 2, "0.00001"),
        (0.5, 3, "0.5"),
        (9.999, 3, "10"),
        (-0.25, 2, "\u22120.25"),
        (-0.0, 3, "0"),
        (0, 3, "0"),
        (100, 1, "100"),
        (math.nan, 3, ""),
        (math.inf, 3, "inf"),
        (1e-9, 2, "1e-09"),
    ],
)
def test_numbers_are_as_people_write_them(value, digits, text):
    assert decimal(value, digits) == text


@given(st.floats(1e-6, 1e14), st.integers(1, 6))
def test_they_round_as_the_general_format_does(value, digits):
    text = decimal(value, digits)
    assert "e" not in text
    near = float(f"{value:.{digits}g}") if value < 10**digits else round(value)
    assert float(text.replace(",", "")) == pytest.approx(near, rel=2 * 10.0**-digits)


@pytest.mark.parametrize(
    ("share", "places", "text"),
    [
        (0.17, 0, "17%"),
        (0.689, 1, "68.9%"),
        (1, 0, "100%"),
        (0.0004, 1, "0.0%"),
        (-0.05, 0, "\u22125%"),
        (12.5, 0, "1250%"),
    ],
)
def test_shares_have_a_space_before_the_sign(share, places, text):
    assert in_percent(share, places) == text


def test_negative_numbers_have_a_minus_sign_and_zero_has_none():
    assert minus("-1.2") == "\u22121.2"
    assert minus("+1.2") == "+1.2"
    assert [minus(f"{value:.0f}") for value in (-0.2, 0.2, -3.0)] == ["0", "0", "\u22123"]
    assert [in_points(share) for share in (0.012, -0.004, -0.0001, 0.0001)] == ["+1.2", "\u22120.4", "0.0", "0.0"]
    assert decimal(-1e-9, 2) == "\u22121e-09"
    assert in_percent(-0.031, 1) == "\u22123.1%"
    assert in_percent(-0.0001) == "0%"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("zoo/simclr", "SimCLR (zoo)"),
        ("zoo/clip-plain", "CLIP, style-free captions (zoo)"),
        ("timm:tf_efficientnet_lite0@layer=4", "EfficientNet-Lite0, layer 4"),
        ("baseline/random-vit@seed=1", "Untrained network, seed 1"),
        ("timm:resnet50", "resnet50 (timm)"),
        ("hf:facebook/dinov2-small@pool=mean", "dinov2-small (Hugging Face), pool mean"),
        ("onnx:/home/somebody/networks/mine.onnx", "mine.onnx (ONNX)"),
        ("timm:resnet50@weights=/home/somebody@work/mine.pt", "resnet50 (timm), mine.pt"),
        (r"zoo/mae@weights=C:\Users\somebody\mine.safetensors", "MAE (zoo), mine.safetensors"),
    ],
)
def test_names_of_models_for_people_have_no_folders(name, title):
    assert model_title(name) == title


def test_models_that_would_be_called_alike_keep_their_names():
    assert model_titles(["onnx:a/mine.onnx", "onnx:b/mine.onnx", "zoo/mae"]) == {
        "onnx:a/mine.onnx": "onnx:a/mine.onnx",
        "onnx:b/mine.onnx": "onnx:b/mine.onnx",
        "zoo/mae": "MAE (zoo)",
    }


def test_transformations_have_names_for_people():
    names = {"identity": "Clean", "jpeg": "JPEG", "salt-and-pepper": "Salt and pepper"}
    assert {name: transform_title(name) for name in names} == names


def test_intervals_and_p_values_are_written_with_their_unit():
    assert interval_in_percent(0.64, 0.661) == "95% CI 64.0\N{EN DASH}66.1"
    assert interval_in_percent(0.64, 0.661, 0) == "95% CI 64\N{EN DASH}66"
    assert "no interval" in interval_in_percent(float("nan"), float("nan"))
    assert (p_value(0.0004), p_value(0.0126)) == ("p < 0.001", "p = 0.013")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.64, 0.661, "64.0–66.1"),
        (-0.018, -0.004, "−1.8 to −0.4"),
        (-0.00001, 0.01, "0.0–1.0"),
        (-0.1, 0.2, "−10.0 to 20.0"),
    ],
)
def test_percent_interval_writes_negative_bounds_with_minus_and_to(low, high, text):
    assert percent_interval(low, high) == text
    assert interval_in_percent(low, high) == f"95% CI {text}"


def test_points_interval_has_signs_and_no_negative_zero():
    assert points_interval(-0.018, -0.004) == "−1.8 to −0.4"
    assert points_interval(-0.00001, 0.012) == "0.0 to +1.2"
    assert points_interval(float("nan"), 1) == "none"


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1200, "1,200 files")])
def test_a_single_thing_has_no_plural(count, text):
    assert counted(count, "file") == text
