from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import probing_core
from lab.devtools.run_edits import omit, put
from probing_core.answers.answer import answer_word, edit_score, given_edited, log_of
from probing_core.answers.crops import Crops, cut, join
from probing_core.api import predictor as predicting
from probing_core.api.predictor import Predictor
from probing_core.corpora import open_corpus
from probing_core.errors import BadConfig, BadImage, BadRun, UnknownName
from probing_core.paths import data_dir
from probing_core.probes.probe import LinearProbe
from probing_core.results import Run
from probing_core.run import live as loaded
from probing_core.run.layout import probe_path
from probing_core.run.live import LoadedModels, read_posteriors
from probing_core.run.run_files import RunFiles
from probing_core.transforms import resolve
from tests.compute.test_samples import make_all
from tests.conftest import scene

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_pixels")]

MODEL = "baseline/handcrafted"


@pytest.fixture(scope="module")
def predictor(split_run):
    return Predictor(split_run[0])


def test_a_view_of_the_run_gets_what_its_deployment_probe_says(predictor, split_run):
    store = RunFiles(split_run[0])
    pictures, _ = make_all(predictor.recipe, open_corpus(predictor.recipe.corpus))
    embeddings = store.read_arrays(f"models/baseline-handcrafted/embeddings/{'unit-00000'}.safetensors")["embeddings"]
    probe = LinearProbe.from_bytes(store.read_bytes(probe_path(MODEL, "deployment")))
    groups = [resolve(name).group for name in probe.classes]
    posterior = read_posteriors(store, MODEL)["direct"]
    for prior in (0.5, 0.05):
        rows = predictor.predict(pictures[:3], models=[MODEL], prior=prior)
        for i, row in enumerate(rows):
            p = probe.probabilities(embeddings[i : i + 1])
            mine = {one["class"]: one["probability"] for one in row["classes"]}
            theirs = dict(zip(probe.classes, given_edited(p, groups)[0], strict=True))
            del theirs["identity"]
            assert mine == pytest.approx(theirs, abs=1e-4)
            edited = posterior.probability(edit_score(log_of(p), groups), prior)[0]
            assert row["edited"] == pytest.approx(edited, abs=1e-3)
            assert row["answer"] == answer_word(row["edited"])
            assert (row["image"], row["crops"]) == (str(i), "direct")


def test_another_prior_takes_no_other_look(predictor, monkeypatch):
    (answer,) = predictor.ask(MODEL, [cut(scene(0, 32), 32)])
    monkeypatch.setattr(LoadedModels, "embed", lambda *_: pytest.fail("the picture was embedded again"))
    edited = {prior: answer.probability(prior) for prior in (0.1, 0.5, 0.9)}
    odds = [p / (1 - p) / prior * (1 - prior) for prior, p in edited.items()]
    assert odds == pytest.approx([odds[1]] * 3)
    assert answer.row("a", prior=0.9)["edited"] >= answer.row("a", prior=0.1)["edited"]
    for prior in (1.0, "0.5", float("nan"), None):
        with pytest.raises(BadConfig, match="between 0 and 1"):
            predictor.predict([scene(0, 32)], prior=prior)


def test_a_model_that_is_being_loaded_holds_up_no_other(predictor, monkeypatch):
    asked = Predictor(predictor.store.root)
    asked.prepare(MODEL)
    waiting, free = threading.Event(), threading.Event()
    load = loaded.load_embedder

    def slow(request, **options):
        waiting.set()
        assert free.wait(60)
        return load(request, **options)

    monkeypatch.setattr(loaded, "load_embedder", slow)
    other = threading.Thread(target=asked.prepare, args=("baseline/pixels",))
    other.start()
    assert waiting.wait(60)
    assert asked.predict([scene(0, 32)], models=MODEL)
    free.set()
    other.join()
    assert asked.predict([scene(0, 32)], models="baseline/pixels")


def test_an_answer_is_made_of_what_is_said_of_whole_and_tiles(predictor):
    large = cut(scene(3, 700)[:420], predictor.recipe.view)
    told = predictor.ask(MODEL, [large])[0].prediction
    alone = [one.prediction for one in predictor.ask(MODEL, [Crops(image) for image in large.images])]
    np.testing.assert_allclose(told.crop_probabilities, [crop.probabilities for crop in alone], atol=1e-6)
    np.testing.assert_allclose(told.probabilities, join(told.crop_probabilities, told.groups), atol=1e-9)
    np.testing.assert_allclose(alone[0].crop_probabilities, [alone[0].probabilities])


def test_a_run_names_the_models_that_can_be_asked_without_loading_any(predictor, tmp_path):
    assert Run.open(predictor.store.root).live_models == predictor.models
    shipped = Run.open(data_dir() / "reference")
    assert shipped.live_models == Predictor(shipped).models != ()
    shutil.copytree(predictor.store.root, tmp_path / "run")
    omit(RunFiles(tmp_path / "run"), probe_path(MODEL, "deployment"))
    assert Run.open(tmp_path / "run").live_models == tuple(set(predictor.models) - {MODEL})


def test_an_opened_run_is_not_opened_again(split_run, monkeypatch):
    run = Run.open(split_run[0])
    assert len(run.models) == len(run.live_models) == 2
    monkeypatch.setattr(RunFiles, "__init__", lambda *_: pytest.fail("the run was opened again"))
    monkeypatch.setattr(RunFiles, "read_toml", lambda *_: pytest.fail("a file of the run was parsed again"))
    asked = Predictor(run)
    assert asked.models == run.live_models
    assert asked.store is run.store
    first = probing_core.predict([scene(0, 32)], run, models=MODEL)
    monkeypatch.setattr(Predictor, "__init__", lambda *_: pytest.fail("the models were made ready again"))
    assert probing_core.predict([scene(0, 32)], run, models=MODEL).equals(first)


def test_predict_states_no_probability_for_what_looks_like_a_screenshot(predictor):
    screenshot = np.full((70, 70, 3), 250, np.uint8)
    screenshot[20:30] = scene(0, 70)[20:30]
    (row,) = predictor.predict([screenshot], models=MODEL)
    assert (row["answer"], row["edited"]) == ("may not be a photograph", None)


def test_the_order_and_company_of_pictures_do_not_matter(predictor):
    images = [scene(i, side) for i, side in enumerate((32, 100, 70))]
    together = predictor.predict(images, names=["a", "b", "c"])
    alone = [row for name, image in zip("abc", images, strict=True) for row in predictor.predict([image], names=[name])]
    for row, other in zip(together, alone, strict=True):
        assert row["edited"] == pytest.approx(other["edited"], abs=1e-4)
        assert row | {"classes": [], "edited": 0} == other | {"classes": [], "edited": 0}
        for one, its in zip(row["classes"], other["classes"], strict=True):
            assert one | {"probability": 0} == its | {"probability": 0}
            assert one["probability"] == pytest.approx(its["probability"], abs=1e-5)


def test_predict_in_two_threads_shares_one_predictor(split_run, monkeypatch):
    both_miss = threading.Barrier(2)

    class Slow(Predictor):
        def __init__(self, *args):
            both_miss.wait(20)
            super().__init__(*args)

    monkeypatch.setattr(predicting, "Predictor", Slow)
    run = Run.open(split_run[0])
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: predicting._predictor(run, "cpu"), range(2))
    assert first is second
    predicting._predictor.cache.clear()


def test_what_cannot_be_asked_is_told(predictor, tmp_path):
    with pytest.raises(UnknownName, match="Available models: baseline/pixels, baseline/handcrafted"):
        predictor.predict([scene(0, 32)], models=["zoo/mae"])
    with pytest.raises(BadRun, match="is not a run directory"):
        Predictor(tmp_path)


def test_a_run_without_probes_says_what_completes_it(split_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(split_run[0], copy)
    store = RunFiles(copy)
    for name in store.names("models/"):
        if "/probes/" in name:
            omit(store, name)
    with pytest.raises(BadRun, match="no trained probes"):
        Predictor(copy)


def test_predicting_leaves_the_pictures_alone(predictor):
    image = scene(5, 100)
    before = image.copy()
    predictor.predict([image])
    assert np.array_equal(image, before)


def test_other_weights_are_refused_and_other_versions_are_not(split_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(split_run[0], copy)
    store, path = RunFiles(copy), "models/baseline-pixels/model.toml"
    entry = store.read_toml(path)
    entry["recipe"]["libraries"] = {"cv2": "0.1"}
    put(store, {path: entry})
    assert Predictor(copy).predict([scene(0, 32)], models=["baseline/pixels"])
    entry["recipe"]["size"] = 8
    put(store, {path: entry})
    with pytest.raises(BadRun, match=r"\(changed: size\)\. Specify the previous weights with @weights=PATH"):
        Predictor(copy).predict([scene(0, 32)], models=["baseline/pixels"])


def test_one_model_is_named_without_a_list_and_arrays_are_pictures_or_refused(predictor):
    image = scene(0, 32)
    assert predictor.predict([image], models=MODEL) == predictor.predict([image], models=[MODEL])
    with pytest.raises(BadImage, match="float64"):
        predictor.predict([image / 255], models=MODEL)
    gray = image[..., 0]
    assert predictor.predict([gray], models=MODEL) == predictor.predict([np.dstack([gray] * 3)], models=MODEL)


def test_one_call_gives_the_rows_as_a_table(predictor, tmp_path):
    images = [scene(1, 32), scene(2, 100)]
    table = probing_core.predict(images, predictor.store.root, models=MODEL)
    assert table.to_dict("records") == predictor.predict(images, models=[MODEL])
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    for one, name in ((images[0], "0"), (Image.fromarray(images[0]), "0"), (path, path)):
        row = probing_core.predict(one, Run.open(predictor.store.root), models=MODEL).iloc[0]
        assert row["image"] == name
        assert [one["class"] for one in row["classes"]] == [one["class"] for one in table["classes"][0]]
        assert row["edited"] == pytest.approx(table["edited"][0], abs=1e-5)  # in company, last bits differ
    with pytest.raises(BadRun, match="is not a run directory"):
        probing_core.predict(images, tmp_path)
    with pytest.raises(BadImage, match=r"no-file.png"):
        probing_core.predict(["no-file.png"], predictor.store.root)


def test_predict_requires_one_name_per_image_before_it_computes(predictor, monkeypatch):
    monkeypatch.setattr(LoadedModels, "embed", lambda *_: pytest.fail("an image was embedded"))
    images = [scene(i, 32) for i in range(3)]
    for names in (["a"], ["a", "b", "c", "d"], [], "abc", iter("ab")):
        with pytest.raises(BadConfig, match="one name per image, got . names for 3 images"):
            predictor.predict(images, models=MODEL, names=names)
    with pytest.raises(BadConfig, match="2 names for 1 images"):
        probing_core.predict(images[0], predictor.store.root, models=MODEL, names=["a", "b"])
    with pytest.raises(UnknownName):  # before the images are read
        predictor.predict(["no-file.png"], models="zoo/mae")


def test_predict_names_one_image_and_several(predictor):
    image = scene(1, 32)
    (row,) = predictor.predict(image, models=MODEL, names="cat")
    assert row["image"] == "cat"
    rows = predictor.predict((image for _ in range(2)), models=MODEL, names=iter([1, Path("b.png")]))
    assert [row["image"] for row in rows] == ["1", "b.png"]


def test_predict_gives_the_same_answer_for_every_form_of_one_image(predictor, tmp_path):
    torch = pytest.importorskip("torch")
    pixels = scene(1, 48)
    path, tensor = tmp_path / "a.png", torch.from_numpy(pixels).permute(2, 0, 1)
    Image.fromarray(pixels).save(path)
    (expected,) = predictor.predict([pixels], models=MODEL, names=["a"])
    forms = (pixels, path, str(path), path.read_bytes(), Image.open(path), tensor, tensor.double() / 255)
    for form in (*forms, *([form] for form in forms), pixels[None], tensor[None], np.array([str(path)])):
        assert predictor.predict(form, models=MODEL, names=["a"]) == [expected]
    for form in (tensor.half() / 255, tensor.bfloat16() / 255):  # 8 bits or fewer for the fraction
        (row,) = predictor.predict(form, models=MODEL)
        assert {entry["class"] for entry in row["classes"]} == {entry["class"] for entry in expected["classes"]}


def test_predict_of_no_images_is_an_empty_table(predictor):
    torch = pytest.importorskip("torch")
    full = probing_core.predict(scene(1, 32), predictor.store.root, models=MODEL)
    for images in ([], (), torch.zeros(0, 3, 32, 32), np.zeros((0, 32, 32, 3), np.uint8)):
        table = probing_core.predict(images, predictor.store.root, models=MODEL)
        assert table.empty
        assert table.columns.tolist() == full.columns.tolist()
    for empty in (torch.zeros(3, 0, 5), torch.zeros(()), np.zeros((0, 5, 3), np.uint8), [np.zeros((4, 0), np.uint8)]):
        with pytest.raises(BadImage):
            predictor.predict(empty, models=MODEL)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1), (2, 3), (5, 300)])
def test_predict_accepts_images_of_any_size(predictor, size):
    image = scene(1, 300)[: size[0], : size[1]]
    assert len(predictor.predict(image, models=MODEL)) == 1
