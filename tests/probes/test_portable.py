"""A probe as a file of its own: it says the same as the probe of the run, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.live.answer import Prediction
from probing_core.detector.score import alteration_score, log_of
from probing_core.detector.verdicts import what_was_done
from probing_core.errors import BadArray, BadRun
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.portable import NO_GROUP, PortableProbe

CLASSES = ("identity", "brighten", "contrast", "gaussian-blur", "motion-blur", "jpeg")
GROUPS = ("identity", "tone", "tone", "blur", "blur", "codec")
BACKBONE = {
    "model": "open_clip:ViT-L-14/openai",
    "weights": "a1b2",
    "preprocessing": {"size": [224, 224]},
    "pooling": "cls",
    "layer": None,
}


def made_probe(dim: int = 24, root: bool = False, seed: int = 0) -> PortableProbe:
    rng = np.random.default_rng(seed)
    probe = LinearProbe(
        classes=CLASSES,
        weight=rng.normal(0, 0.6, (6, dim)).astype(np.float32),
        bias=rng.normal(0, 0.5, 6).astype(np.float32),
        mean=rng.normal(0.5, 1, dim).astype(np.float32),
        scale=rng.uniform(0.5, 2, dim).astype(np.float32),
        facts=FitFacts(0.01, False, True, 40, 1.2),
        temperature=1.7,
        root=root,
    )
    return PortableProbe(probe, GROUPS, BACKBONE)


@pytest.mark.parametrize("root", [False, True])
def test_its_answers_are_those_that_verdicts_are_made_of(root):
    portable = made_probe(root=root)
    X = np.random.default_rng(1).normal(0.5, 1.5, (200, 24)).astype(np.float32)
    if root:
        X = np.abs(X)
    score, group, best = portable.answer(X)
    probabilities = portable.probe.probabilities(X).astype(np.float64)
    np.testing.assert_allclose(score, alteration_score(log_of(probabilities), GROUPS), atol=2e-4)
    for i in range(len(X)):
        prediction = Prediction.__new__(Prediction)
        for name, value in {"classes": CLASSES, "groups": GROUPS, "probabilities": probabilities[i]}.items():
            object.__setattr__(prediction, name, value)
        named = what_was_done(prediction, no_color=False)
        assert (portable.group_names[group[i]], portable.class_names[best[i]]) == named[:2]


def test_it_shows_itself_without_its_weights():
    shown = repr(made_probe())
    assert "gaussian-blur" in shown
    assert "array(" not in shown


def test_rows_that_are_not_finite_have_no_answer_and_leave_the_others_alone():
    portable = made_probe()
    X = np.random.default_rng(1).normal(size=(6, 24)).astype(np.float32)
    whole = portable.answer(X)
    broken = X.copy()
    broken[1, 3], broken[2, 0], broken[4] = np.nan, np.inf, 3e38
    score, group, best = portable.answer(broken)
    lacks = np.array([False, True, True, False, True, False])
    assert np.isnan(score[lacks]).all()
    assert (group[lacks] == NO_GROUP).all()
    assert (best[lacks] == NO_GROUP).all()
    for mine, theirs in zip((score, group, best), whole, strict=True):
        np.testing.assert_array_equal(mine[~lacks], theirs[~lacks])


def test_it_is_the_same_after_a_file_and_linear_probes_read_it_too():
    portable = made_probe(root=True)
    data = portable.to_bytes()
    again = PortableProbe.from_bytes(data)
    assert again.to_bytes() == data
    assert (again.groups, dict(again.backbone)) == (GROUPS, BACKBONE)
    X = np.abs(np.random.default_rng(1).normal(size=(5, 24)))
    np.testing.assert_array_equal(again.answer(X)[0], portable.answer(X)[0])
    np.testing.assert_array_equal(LinearProbe.from_bytes(data).logits(X), portable.probe.logits(X))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80\x04\x95pickle", b"\xff" * 200, made_probe().to_bytes()[:300], made_probe().probe.to_bytes()],
    ids=["empty", "pickle", "huge header", "cut short", "a probe without a backbone"],
)
def test_what_is_no_portable_probe_is_refused_in_a_sentence(data):
    with pytest.raises(BadRun, match="A portable probe .* was expected"):
        PortableProbe.from_bytes(data)


@pytest.mark.parametrize("declared", ["", "open_clip:ViT-L-14/openai", "ViT-L-14", "vit_l_14"])
def test_embeddings_of_its_backbone_are_accepted(declared):
    made_probe().refuse_declared(declared)


@pytest.mark.parametrize("declared", ["ViT-B-32", "open_clip:ViT-L-14/laion2b_s32b_b82k", "zoo/mae"])
def test_embeddings_of_another_backbone_are_refused_in_a_sentence(declared):
    with pytest.raises(BadArray, match=rf"holds embeddings of '{declared}', and the probe is for .*ViT-L-14/openai"):
        made_probe().refuse_declared(declared)
    with pytest.raises(BadArray, match=r"The array holds the shape \(2, 7\), and the probe is for .* 24 numbers"):
        made_probe().answer(np.zeros((2, 7)))


def test_a_probe_that_names_no_backbone_is_none():
    with pytest.raises(BadArray, match="pooling"):
        PortableProbe(made_probe().probe, GROUPS, {k: v for k, v in BACKBONE.items() if k != "pooling"})
    with pytest.raises(BadArray, match="identity among them"):
        PortableProbe(made_probe().probe, ("tone",) * 6, BACKBONE)
