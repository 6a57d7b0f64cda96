from __future__ import annotations

import json

from probing_core.cli import speed


def test_makes_and_embeds_a_few_pictures_and_goes_on_past_a_model_that_cannot_be_used(capsys):
    code = speed.main(
        ["--models", "baseline/pixels,export:no-such-file.pt2", "--transforms", "jpeg,fog", "--view", "64"]
    )
    assert code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["make_s"] > 0
    assert told["models"]["baseline/pixels"]["embed_s"] > 0
    assert told["models"]["baseline/pixels"]["dim"] == 768
    assert "no-such-file.pt2" in told["models"]["export:no-such-file.pt2"]["error"]


def test_a_wrong_name_is_one_sentence(capsys):
    assert speed.main(["--models", "baseline/pixels", "--transforms", "no-such"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
