"""open_clip and transformers: small models saved here, the libraries' own calls."""

from __future__ import annotations

import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from probing_core.errors import BadConfig, ModelUnavailable, UnknownName
from probing_core.models import load_embedder
from tests.models.made import call, in_pytorch, pictures, pillow, put_clip
from tests.models.published import put_snapshot

pytestmark = pytest.mark.slow

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
VISION = VIT | {"image_size": 32, "patch_size": 8}
TEXT = VIT | {"vocab_size": 100}
SIZE = {"height": 32, "width": 32}


@pytest.fixture
def clip_folder(tmp_path):
    put_clip(tmp_path)
    return tmp_path


def test_open_clip_equals_its_own_call(clip_folder):
    import open_clip

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    model.eval().to(memory_format=torch.channels_last)
    batch = torch.stack([transform(picture) for picture in pillow(pictures())])
    embedder = in_pytorch(load_embedder(f"open_clip:{clip_folder}", precision="float32"))
    np.testing.assert_array_equal(embedder.embed(pictures()), call(model.encode_image, batch))
    each = in_pytorch(load_embedder(f"open_clip:{clip_folder}@layer=all", precision="float32"))
    layers = each.embed_layers(pictures())
    channels_last = batch.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        tokens = model.visual.forward_intermediates(
            channels_last, intermediates_only=True, output_fmt="NLC", output_extra_tokens=True
        )["image_intermediates_prefix"]
    for ours, theirs in zip(layers.values(), tokens, strict=True):
        np.testing.assert_allclose(ours, theirs[:, 0].numpy(), atol=1e-6)


def test_open_clip_is_silent_in_its_thread_alone_and_leaves_logging_as_it_is(clip_folder, monkeypatch, caplog):
    import open_clip

    create, root = open_clip.create_model, logging.getLogger()

    def create_while_another_thread_logs(*args, **kwargs):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(logging.warning, "from another thread").result()
        logging.warning("from open_clip")
        return create(*args, **kwargs)

    monkeypatch.setattr(open_clip, "create_model", create_while_another_thread_logs)
    before = root.level, list(root.handlers), list(root.filters)
    load_embedder(f"open_clip:{clip_folder}", precision="float32")
    assert (root.level, root.handlers, root.filters) == before
    assert "from another thread" in caplog.messages
    assert "from open_clip" not in caplog.messages


def test_transformers_keeps_its_verbosity_and_progress_bars(tmp_path):
    import transformers
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as settings

    model, processor = transformers_cases()["vit"]
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    usual = settings.get_verbosity()
    transformers.logging.set_verbosity_info()
    transformers.logging.enable_progress_bar()
    try:
        load_embedder(f"hf:{tmp_path}", precision="float32")
        assert settings.get_verbosity() == logging.INFO
        assert settings.is_progress_bar_enabled()
        assert not are_progress_bars_disabled()
    finally:
        transformers.logging.set_verbosity(usual)


def test_open_clip_refuses_what_does_not_fit_and_suggests(clip_folder):
    tensors = {"visual.proj": torch.zeros(64, 32)}
    save_file(tensors, clip_folder / "open_clip_model.safetensors")
    with pytest.raises(ModelUnavailable, match="missing"):
        load_embedder(f"open_clip:{clip_folder}")
    with pytest.raises(UnknownName, match="Did you mean 'openai'"):
        load_embedder("open_clip:ViT-B-16/openia")
    with pytest.raises(BadConfig, match="does not specify weights"):
        load_embedder("open_clip:ViT-B-16")


def transformers_cases():
    import transformers as t

    vit, clip = t.ViTImageProcessor(size=SIZE), t.CLIPImageProcessor(size={"shortest_edge": 40}, crop_size=SIZE)
    align = t.EfficientNetImageProcessor(
        size={"height": 76, "width": 76}, do_center_crop=True, crop_size={"height": 64, "width": 64}, resample=0,
        rescale_factor=1 / 127.5, rescale_offset=True, do_normalize=False,
    )  # fmt: skip
    small = {"image_size": 64, "width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 640}
    ids = {"bos_token_id": 1, "eos_token_id": 2}
    return {
        "vit": (t.ViTModel(t.ViTConfig(**VISION)), vit),
        "vit-classifier": (t.ViTForImageClassification(t.ViTConfig(**VISION)), vit),
        "dinov2-registers": (t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**VISION)), clip),
        "convnext": (
            t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)),
            t.ConvNextImageProcessor(size={"shortest_edge": 64}),
        ),
        "siglip": (
            t.SiglipModel(t.SiglipConfig(text_config=TEXT, vision_config=VISION)),
            t.SiglipImageProcessor(size=SIZE),
        ),
        "clip": (t.CLIPModel(t.CLIPConfig(text_config=TEXT | ids, vision_config=VISION, projection_dim=16)), clip),
        "align": (t.AlignModel(t.AlignConfig(text_config=TEXT, vision_config=small)), align),
    }


@pytest.mark.parametrize("case", ["vit", "vit-classifier", "dinov2-registers", "convnext", "siglip", "clip", "align"])
def test_transformers_equals_its_own_call(case, tmp_path):
    torch.manual_seed(0)
    model, processor = transformers_cases()[case]
    model.eval().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    batch = processor(pictures(), return_tensors="pt")["pixel_values"]
    model.to(memory_format=torch.channels_last)
    tower = getattr(model, "vision_model", getattr(model, "vit", model))

    def own(x):
        if hasattr(model, "get_image_features"):
            return model.get_image_features(pixel_values=x).pooler_output
        if case == "vit-classifier":
            return model.vit(x).last_hidden_state[:, 0]
        return model(x).pooler_output.flatten(1)

    embedder = load_embedder(f"hf:{tmp_path}", precision="float32")
    if case == "align":  # its pooling window is larger than its maps, which OpenVINO refuses
        assert embedder.engine == "PyTorch"
    else:
        in_pytorch(embedder)
    np.testing.assert_array_equal(embedder.embed(pictures()), call(own, batch))
    assert embedder.preprocessing.size == tuple(batch.shape[2:])
    if case not in ("convnext", "align"):
        each = in_pytorch(load_embedder(f"hf:{tmp_path}@layer=all@pool=mean", precision="float32"))
        layers = each.embed_layers(pictures())
        skip = {"siglip": 0, "dinov2-registers": 5}.get(case, 1)
        with torch.inference_mode():
            hidden = tower(batch.contiguous(memory_format=torch.channels_last), output_hidden_states=True).hidden_states
        for ours, theirs in zip(layers.values(), hidden[1:], strict=True):
            np.testing.assert_allclose(ours, theirs[:, skip:].mean(1).numpy(), atol=1e-6)


def test_mae_is_embedded_without_masking(tmp_path):
    import transformers as t

    decoder = {f"decoder_{key}": value for key, value in VIT.items()}
    model = t.ViTMAEForPreTraining(t.ViTMAEConfig(**VISION, **decoder)).eval()
    model.save_pretrained(tmp_path)
    t.ViTImageProcessor(size=SIZE).save_pretrained(tmp_path)
    embedder = load_embedder(f"hf:{tmp_path}", precision="float32")
    first = embedder.embed(pictures())
    np.testing.assert_array_equal(first, embedder.embed(pictures()))
    model.vit.config.mask_ratio = 0.0
    batch = t.ViTImageProcessor(size=SIZE)(pictures(), return_tensors="pt")["pixel_values"]
    order = torch.arange(16).float().expand(3, 16)  # patches stay in their places
    np.testing.assert_allclose(
        first, call(lambda x: model.vit(x, noise=order).last_hidden_state[:, 0], batch), atol=1e-5
    )


def test_weights_for_a_transformers_model_are_a_folder_or_a_file(tmp_path):
    """A named repository is not asked for, as long as everything lies on disk."""
    torch.manual_seed(0)
    for case, folder in (("vit", "named"), ("vit", "tuned"), ("clip", "clip"), ("clip", "clip-tuned")):
        model, processor = transformers_cases()[case]
        model.eval().save_pretrained(tmp_path / folder)
        processor.save_pretrained(tmp_path / folder)
    torch.save(load_file(tmp_path / "tuned/model.safetensors"), tmp_path / "tuned.pth")

    def embed(name):
        return load_embedder(name, precision="float32").embed(pictures())

    tuned, named = embed(f"hf:{tmp_path}/tuned"), embed(f"hf:{tmp_path}/named")
    assert not np.allclose(tuned, named, atol=1e-2)
    for name in (
        f"hf:{tmp_path}/named@weights={tmp_path}/tuned",
        f"hf:{tmp_path}/named@weights={tmp_path}/tuned/model.safetensors",
        f"hf:{tmp_path}/named@weights={tmp_path}/tuned.pth",
        f"hf:nobody/nothing@weights={tmp_path}/tuned",
        f"hf:nobody/nothing@weights={tmp_path}/tuned/model.safetensors",
    ):
        np.testing.assert_array_equal(embed(name), tuned)
    weights = f"{tmp_path}/clip-tuned/model.safetensors"
    np.testing.assert_array_equal(embed(f"hf:{tmp_path}/clip@weights={weights}"), embed(f"hf:{tmp_path}/clip-tuned"))
    (tmp_path / "tuned/preprocessor_config.json").unlink()  # as trainings leave it
    np.testing.assert_array_equal(embed(f"hf:{tmp_path}/named@weights={tmp_path}/tuned"), tuned)
    cached = put_snapshot(tmp_path / "cache/hub", "nobody/nothing")
    shutil.copytree(tmp_path / "named", cached, dirs_exist_ok=True)
    (cached / "model.safetensors").unlink()
    np.testing.assert_array_equal(embed(f"hf:nobody/nothing@weights={tmp_path}/tuned.pth"), tuned)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("absent", "does not exist"),
        ("empty", "no config.json"),
        ("other.safetensors", r"missing \(embeddings.cls_token"),
        ("junk.pth", "could not be read as weights without executing code"),
    ],
)
def test_weights_that_do_not_fit_a_transformers_model_get_one_sentence(tmp_path, weights, told):
    model, processor = transformers_cases()["vit"]
    model.save_pretrained(tmp_path / "named")
    processor.save_pretrained(tmp_path / "named")
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk.pth").write_bytes(b"junk")
    save_file({"layer": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelUnavailable, match=told) as caught:
        load_embedder(f"hf:{tmp_path}/named@weights={tmp_path}/{weights}")
    assert len(str(caught.value).splitlines()) == 1


def test_transformers_refuses_what_does_not_fit(tmp_path):
    import transformers as t

    model = t.Dinov2Model(t.Dinov2Config(**VISION))
    model.save_pretrained(tmp_path)
    t.ViTImageProcessor(size=SIZE).save_pretrained(tmp_path)
    tensors = model.state_dict()
    del tensors["layernorm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"missing \(layernorm.weight\)"):
        load_embedder(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text('{"architecture": "resnet18"}')
    with pytest.raises(ModelUnavailable, match="Use 'timm:"):
        load_embedder(f"hf:{tmp_path}")


def test_weights_in_several_files_are_one_model(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model, processor = transformers_cases()["vit"]
    model.eval().save_pretrained(tmp_path / "one")
    snapshot = put_snapshot(tmp_path / "hub", "org/large")
    model.save_pretrained(snapshot, max_shard_size="20KB")
    for folder in (tmp_path / "one", snapshot):
        processor.save_pretrained(folder)
    parts = sorted(snapshot.glob("*.safetensors"))
    assert len(parts) > 1
    expected = load_embedder(f"hf:{tmp_path}/one", precision="float32").embed(pictures())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in (f"hf:{snapshot}", "hf:org/large"):
        np.testing.assert_array_equal(load_embedder(name, precision="float32").embed(pictures()), expected)
    for part in parts[1:]:
        part.unlink()  # the one that is left is not the model
    with pytest.raises(ModelUnavailable, match=parts[1].name):
        load_embedder(f"hf:{snapshot}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="not on disk"):
        load_embedder("hf:org/large")


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("index", [False, True])
def test_pickles_of_a_repository_are_never_executed(tmp_path, index):
    model, processor = transformers_cases()["vit"]
    folder, mark = tmp_path / "model", tmp_path / "executed"
    for part in (model, processor):
        part.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    evil = folder / "pytorch_model.bin"
    if index:  # of a file that is not next to it
        evil = tmp_path / "elsewhere.bin"
        listed = {"metadata": {}, "weight_map": {"layer": "../elsewhere.bin"}}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(listed))
    torch.save({"layer": Evil(mark)}, evil)
    mark.unlink(missing_ok=True)
    with pytest.raises(ModelUnavailable, match="could not be loaded with transformers"):
        load_embedder(f"hf:{folder}")
    assert not mark.exists()


def test_transformers_neither_asks_nor_runs_code_of_a_repository(tmp_path, monkeypatch):
    mark = tmp_path / "executed"
    (tmp_path / "own.py").write_text(f"open({str(mark)!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    own = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "of-my-own", "auto_map": own}))
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    with pytest.raises(ModelUnavailable, match="requires code from its repository"):
        load_embedder(f"hf:{tmp_path}")
    assert not mark.exists()


def test_a_processor_whose_settings_are_of_another_kind_gets_one_sentence(tmp_path):
    model, processor = transformers_cases()["vit"]
    model.save_pretrained(tmp_path)
    processor.size = {"max_height": 64, "max_width": 64}
    processor.save_pretrained(tmp_path)
    with pytest.raises(ModelUnavailable, match="has no readable image processor"):
        load_embedder(f"hf:{tmp_path}")
