from __future__ import annotations

from scripts.reference import is_second_training


def test_second_trainings_are_encoders_of_the_zoo_with_another_seed():
    assert is_second_training("zoo/mae@seed=1")
    assert not is_second_training("zoo/mae")
    assert not is_second_training("baseline/random-vit@seed=1")
    assert not is_second_training("timm:resnet50.a1_in1k@layer=4")
