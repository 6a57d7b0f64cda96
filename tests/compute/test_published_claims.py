"""A run over stand-ins of the published encoders: the claims are tested without CAN, which nobody has published."""

from __future__ import annotations

import pytest

from probing_core.cli import main
from probing_core.compute.claims import CLAIMS
from probing_core.compute.names import UNDECIDED
from probing_core.models import CATALOG, expand
from probing_core.results import Run, claims_by_set, result_in_words
from probing_core.run import layout
from tests.models.published import put_on_disk

pytestmark = pytest.mark.slow

TRANSFORMS = "brighten,contrast,style-3,style-16,style-8"


@pytest.fixture(scope="module")
def run(tmp_path_factory, many_scenes) -> Run:
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        put_on_disk(folder / "hub", patch)
        # Tests of claims need neither series nor studies.
        patch.setattr("probing_core.run.scope.series_names", lambda *_: ())
        patch.setattr("probing_core.run.scope.studies_of", lambda *_: ())
        few = [
            "--view",
            "32",
            "--limit",
            "32",
            "--transforms",
            TRANSFORMS,
            "--device",
            "cpu",
            "--precision",
            "float32",
        ]
        out = str(folder / "run")
        asked = ["--corpus", f"folder:{many_scenes}", "--models", "published", "--until", "evaluate"]
        assert main(["run", "--out", out, *asked, *few]) == 0
    return Run.open(out)


def test_every_published_role_is_loaded_by_its_own_provider(run):
    assert list(run.models["name"]) == list(expand(["published"])) == list(run.recipe.models)
    assert list(run.models["objective"]) == [CATALOG.get(name).objective for name in run.recipe.models]


def test_the_claims_are_tested_and_state_what_they_lack(run):
    claims, contrasts = run.table(layout.CLAIMS), run.table(layout.CONTRASTS)
    assert list(claims["claim"]) == list(CLAIMS)
    assert set(claims["set"]) == {"published"}
    assert list(claims["missing"]) == ["CAN"] * 5
    ((title, tested),) = claims_by_set(claims).items()
    assert title.startswith("Tested on published encoders")
    assert "MAE: timm:vit_base_patch16_224.mae; CLIP: open_clip:ViT-B-16/openai;" in tested["encoders"].iloc[0]
    assert all(result_in_words(row).endswith("tested without CAN.") for row in tested.to_dict("records"))
    lacking = (contrasts[["first_role", "second_role"]] == "CAN").any(axis=1)
    assert contrasts["effect"].isna().equals(lacking)
    assert contrasts.loc[lacking, ["first", "second"]].eq("").any(axis=1).all()
    assert {"fine", "far style"} == set(contrasts.loc[~lacking, "score"])
    assert claims["result"][0] == UNDECIDED
    assert claims["evidence"][0] == "The run has 4 transformations, and two dozens are asked."
    for number in (1, 2, 3):
        named = (contrasts["claim"] == number + 1).sum()
        known = ((contrasts["claim"] == number + 1) & ~lacking).sum()
        assert f"of {known} contrasts (of {named} named) lie above 0" in claims["evidence"][number]
