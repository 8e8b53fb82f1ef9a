"""What load_backbone says when there is nothing usable to load."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from a2m2.errors import WeightsError
from a2m2.nn import load_backbone, sources
from tiny_backbones import CONFIGS, save_tiny, tiny_model


@pytest.fixture(scope="module")
def resnet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("resnet", tmp_path_factory.mktemp("resnet"))


@pytest.fixture
def copy(resnet_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in resnet_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def refusal(source: str | Path, **options: object) -> str:
    with pytest.raises(WeightsError, match=r".") as caught:
        load_backbone(str(source), **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_folder_lists_what_is_possible(tmp_path: Path) -> None:
    for source in (str(tmp_path / "nowhere"), "./nowhere", "resnet50", "a/b/c"):
        assert refusal(source) == (
            f"no backbone {source}; expected a folder with config.json and model.safetensors, a hub name such as "
            "microsoft/resnet-50, random:resnet50, small-cnn, or motion-filters"
        )


def test_an_unreachable_hub_fails_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    message = refusal("microsoft/resnet-50@main")
    assert message.startswith(
        "no folder microsoft/resnet-50@main here, and the model hub cannot be reached; "
    )
    assert time.monotonic() - start < 20


def test_incomplete_folders_are_told_what_they_lack(copy: Path) -> None:
    weights = copy / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    assert refusal(copy) == f"{copy} holds no weights; expected model.safetensors beside config.json"
    (copy / "pytorch_model.bin").write_bytes(b"")
    assert refusal(copy) == (
        f"{copy} holds pickled weights only (pytorch_model.bin), which can run code when opened; "
        "convert them to model.safetensors"
    )
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert refusal(copy) == (
        f"{copy} lacks model-00001-of-00002.safetensors, one of the weight files that model.safetensors.index.json "
        "names; download it again"
    )
    (copy / "model.safetensors.index.json").write_text("[]")
    assert "cannot be read as an index of weight files" in refusal(copy)
    weights.write_bytes(content)
    (copy / "config.json").unlink()
    assert refusal(copy) == f"{copy} holds no config.json; expected a folder in the format of transformers"
    assert (
        refusal(weights) == f"expected a backbone folder, got the file {weights}; give the folder it lies in"
    )


def test_damaged_files_are_named(copy: Path) -> None:
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert refusal(copy).startswith(f"{copy / 'model.safetensors'} cannot be read as weights (")
    (copy / "model.safetensors").write_bytes(content)
    (copy / "preprocessor_config.json").write_text('{"image_mean": [0.5], "image_std": [0.5]}')
    assert refusal(copy) == (
        f"{copy / 'preprocessor_config.json'} cannot be read; expected image_mean and image_std of 3 numbers"
    )
    (copy / "config.json").write_text("{")
    assert refusal(copy).startswith(f"{copy / 'config.json'} cannot be used (")
    (copy / "config.json").write_text('{"model_type": "no-such-model"}')
    assert refusal(copy).startswith(f"cannot load the backbone in {copy}: ")


def test_configurations_that_ask_for_more_than_is_there_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    for change, reason in (
        ({"depths": [1, 1, 9000, 1]}, "a backbone of 9,003 layers, but "),
        ({"embedding_size": 10**9}, "a backbone of embedding_size 1e+09, more than 1,048,576"),
    ):
        (copy / "config.json").write_text(json.dumps(config | change))
        assert refusal(copy).startswith(f"{copy / 'config.json'} cannot be used ({reason}")
    (copy / "config.json").write_text(json.dumps(config | {"embedding_size": 1_000_000}))
    assert re.match(
        r"cannot load .*: a model of [\d,]{9,} numbers, but weights of [\d,]{4,7}; ", refusal(copy)
    )
    (copy / "config.json").write_text(json.dumps(config | {"hidden_act": "os:system", "depths": "four"}))
    assert refusal(copy).startswith(f"cannot load the backbone in {copy}: ")


def test_code_beside_the_weights_is_refused_without_asking(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(prompt: str = "") -> str:
        raise AssertionError(prompt)

    monkeypatch.setattr("builtins.input", ask)
    content = {"model_type": "ours", "auto_map": {"AutoConfig": "ours.Config", "AutoModel": "ours.Model"}}
    (copy / "config.json").write_text(json.dumps(content))
    (copy / "ours.py").write_text("raise SystemExit")
    message = refusal(copy)
    assert message.startswith(f"cannot load the backbone in {copy}: ")
    assert "trust_remote_code=True" not in message


def test_an_index_that_names_files_elsewhere_is_refused(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    for name in ("../x.safetensors", "a\0", 3, "x" * 300, "\ud800"):
        (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        assert "model.safetensors.index.json cannot be read as an index of weight files" in refusal(copy)


def test_a_normalisation_of_no_numbers_is_refused(copy: Path) -> None:
    for content in ({"rescale_factor": "x"}, {"rescale_factor": [1]}, {"image_mean": [1e308 * 10, 0, 0]}):
        (copy / "preprocessor_config.json").write_text(json.dumps(content))
        assert "preprocessor_config.json cannot be read" in refusal(copy)


def test_weights_of_another_configuration_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    first = sorted(weights)[0]
    del weights[first]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert refusal(copy) == (
        f"{copy / 'model.safetensors'} does not fit the config.json beside it: 1 tensors are missing, such as "
        f"{first}; take both files from one source"
    )
    weights[first] = torch.zeros(3, 5, 7)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert refusal(copy).startswith(f"cannot load the backbone in {copy}: ")


def test_encoders_without_maps_are_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(**small, vocab_size=10)).save_pretrained(tmp_path)
    assert refusal(tmp_path) == (
        f"{tmp_path} is a bert, which reads no images; expected an image or video encoder"
    )


def test_video_transformers_with_another_order_of_tokens_are_refused(tmp_path: Path) -> None:
    from transformers import TimesformerConfig, TimesformerModel

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    TimesformerModel(TimesformerConfig(**small, image_size=16, patch_size=8)).save_pretrained(tmp_path)
    assert "a video encoder whose tokens we cannot place" in refusal(tmp_path)


def test_unknown_stages_and_strides_are_refused(resnet_folder: Path, tmp_path: Path) -> None:
    assert refusal(resnet_folder, stages=("mid", 9)) == (
        f"{resnet_folder} has no stage '9'; expected 'mid', 'last' or a number up to 4"
    )
    assert "has no stage 'middle'" in refusal(resnet_folder, stages=("middle",))
    clip = save_tiny("clip_vision_model", tmp_path)
    assert refusal(clip, last_stride=1) == (
        f"last_stride=1 is for resnet and mobilenet_v2, {clip} is a clip_vision_model; use 2"
    )
    with pytest.raises(ValueError, match="expected at least one stage, such as 'mid' or 'last', got none"):
        load_backbone(str(resnet_folder), stages=())
    with pytest.raises(ValueError, match="expected last_stride 1 or 2, got 3"):
        load_backbone(str(resnet_folder), last_stride=3)


@pytest.mark.parametrize("model_type", ["resnet", "mobilenet_v2"])
def test_random_backbones_are_seeded_and_their_features_neither_vanish_nor_grow(
    model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sources.RANDOM_MODELS, "tiny", (model_type, CONFIGS[model_type], sources.IMAGENET))
    state = torch.random.get_rng_state()
    first = load_backbone("random:tiny", stages=("mid", "last"), random_seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert load_backbone("random:tiny", random_seed=1).digest() == first.digest()
    assert load_backbone("random:tiny", random_seed=2).digest() != first.digest()
    frames = torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert all(0.05 < some.std() < 20 for some in first(frames))


def test_unknown_random_backbones_list_the_known_ones() -> None:
    assert refusal("random:alexnet") == (
        "no random backbone 'alexnet'; expected one of resnet50, resnet18, mobilenet_v2, clip-vit-b16, "
        "videomae-b, dinov2-s"
    )


def test_nothing_is_printed_and_the_callers_logging_stays(
    resnet_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    logging.set_verbosity_info()
    capfd.readouterr()
    load_backbone(str(resnet_folder))
    assert logging.get_verbosity() == logging.INFO
    assert logging.is_progress_bar_enabled()
    logging.set_verbosity_warning()
    assert capfd.readouterr() == ("", "")


def test_image_text_models_give_their_vision_tower(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    text |= {"vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1}
    vision = tiny_model("clip_vision_model").config.to_dict()
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).eval()
    model.save_pretrained(tmp_path)
    backbone = load_backbone(str(tmp_path), stages=("last",))
    assert not re.search("text", " ".join(backbone.state_dict()))
    frames = torch.rand(1, 2, 3, 32, 32)
    normalised = (frames[0] - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    tokens = model.vision_model(normalised).last_hidden_state[:, 1:]
    torch.testing.assert_close(backbone(frames)[0][0].flatten(-2).mT, tokens)
