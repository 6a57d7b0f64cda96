from __future__ import annotations

import pytest

from lab.evidence.label_leaks import LEAKS, by_source, false_alarms, found_in


@pytest.mark.parametrize("leak", LEAKS)
def test_planted_leak_is_found_and_named(leak):
    assert found_in(leak) == (leak,)


def test_random_labels_of_mixed_files_rarely_raise_an_alarm():
    # With a rate of 5%, more than four alarms have a probability of 0.3%. The seed is fixed.
    assert false_alarms(20) <= 4


def test_labels_from_different_sources_are_reported():
    assert {"Format", "EXIF"} <= set(by_source())
