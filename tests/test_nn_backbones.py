"""Every kind of encoder gives the maps its own outputs hold, under one signature."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.nn import Backbone, load_backbone
from tiny_backbones import CONFIGS, save_tiny

FRAMES = torch.rand(2, 4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save_tiny(name, tmp_path_factory.mktemp(name)) for name in CONFIGS}


@pytest.mark.parametrize(
    ("name", "size", "middle", "last"),
    [
        ("resnet", 64, (16, 4, 4), (24, 2, 2)),
        ("resnet", 96, (16, 6, 6), (24, 3, 3)),
        ("mobilenet_v2", 64, (24, 4, 4), (1280, 2, 2)),
        ("mobilenet_v2", 72, (24, 5, 5), (1280, 3, 3)),
        ("convnext", 64, (16, 4, 4), (24, 2, 2)),
        ("swin", 64, (16, 8, 8), (32, 4, 4)),
        ("clip_vision_model", 32, (16, 4, 4), (16, 4, 4)),
        ("clip_vision_model", 48, (16, 6, 6), (16, 6, 6)),
        ("dinov2", 42, (16, 6, 6), (16, 6, 6)),
        ("dinov2_with_registers", 28, (16, 4, 4), (16, 4, 4)),
        ("siglip_vision_model", 32, (16, 4, 4), (16, 4, 4)),
        ("videomae", 32, (16, 4, 4), (16, 4, 4)),
        ("vjepa2", 32, (16, 4, 4), (16, 4, 4)),
    ],
)
def test_stages_are_maps_one_a_frame(
    folders: dict[str, Path], name: str, size: int, middle: tuple[int, ...], last: tuple[int, ...]
) -> None:
    backbone = load_backbone(str(folders[name]), stages=("mid", "last"))
    assert isinstance(backbone, Backbone)
    assert not backbone.training
    maps = backbone(FRAMES[..., :size, :size] if size <= 64 else torch.rand(2, 4, 3, size, size))
    assert [tuple(some.shape) for some in maps] == [(2, 4, *middle), (2, 4, *last)]
    assert backbone.channels == (middle[0], last[0])
    assert backbone.stages == ("mid", "last")
    assert all(some.isfinite().all() for some in maps)


def test_frames_are_normalised_as_the_folder_says_and_read_one_by_one(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["resnet"]), stages=("last", 3))
    last, third = backbone(FRAMES)
    outputs = backbone.model((FRAMES[1, 2][None] - 0.5) / 0.25, output_hidden_states=True)
    torch.testing.assert_close(last[1, 2], outputs.last_hidden_state[0])
    torch.testing.assert_close(third[1, 2], outputs.hidden_states[3][0])


def test_rescaling_by_the_processor_is_followed(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = save_tiny("resnet", tmp_path)
    (folder / "preprocessor_config.json").write_text(
        '{"rescale_factor": 0.0078431372549, "do_normalize": false}'
    )
    found = load_backbone(str(folder), stages=("last",))
    outputs = found.model(2 * FRAMES[0, :1])
    torch.testing.assert_close(found(FRAMES[:1, :1])[0][0], outputs.last_hidden_state)


def test_tokens_become_maps_row_by_row_without_class_and_register_tokens(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["dinov2_with_registers"]), stages=("last", 2))
    frames = FRAMES[..., :28, :42]
    last, second = backbone(frames)
    outputs = backbone.model((frames[0, :1] - 0.5) / 0.25, output_hidden_states=True)
    tokens = outputs.last_hidden_state[0]
    assert tokens.shape[0] == 1 + 4 + 4 * 6
    torch.testing.assert_close(last[0, 0, :, 2, 5], tokens[5 + 2 * 6 + 5])
    torch.testing.assert_close(second[0, 0, :, 0, 0], outputs.hidden_states[2][0, 5])


def test_the_middle_of_a_transformer_is_two_thirds_up(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["clip_vision_model"]), stages=("mid", 2))
    middle, second = backbone(FRAMES[..., :32, :32])
    torch.testing.assert_close(middle, second, rtol=0, atol=0)


def test_video_tokens_are_placed_in_time(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["videomae"]), stages=("last",))
    frames = FRAMES[..., :32, :32]
    (maps,) = backbone(frames)
    repeated = (frames.repeat_interleave(2, dim=1) - 0.5) / 0.25
    tokens = backbone.model(repeated).last_hidden_state
    assert tokens.shape[1] == 4 * 16
    torch.testing.assert_close(maps[1, 3, :, 2, 1], tokens[1, 3 * 16 + 2 * 4 + 1])


def test_fewer_tubelets_than_frames_are_interpolated(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["videomae"]), stages=("last",))
    frames = torch.cat([FRAMES, FRAMES.flip(1)], dim=1)[..., :32, :32]
    (maps,) = backbone(frames)
    tokens = backbone.model((frames - 0.5) / 0.25).last_hidden_state.unflatten(1, (4, 4, 4))
    assert maps.shape == (2, 8, 16, 4, 4)
    torch.testing.assert_close(maps[:, 0], tokens[:, 0].movedim(-1, 1))
    torch.testing.assert_close(maps[:, 3], (0.75 * tokens[:, 1] + 0.25 * tokens[:, 2]).movedim(-1, 1))
    with pytest.raises(ValueError, match="expected at most the 8 frames this encoder takes, got 9"):
        backbone(torch.zeros(1, 9, 3, 32, 32))


def test_an_encoder_of_any_length_takes_any_number_of_frames(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["vjepa2"]))
    for time in (1, 3, 9):
        assert backbone(torch.rand(1, time, 3, 32, 32))[0].shape == (1, time, 16, 4, 4)


@pytest.mark.parametrize("name", ["resnet", "mobilenet_v2"])
def test_last_stride_one_keeps_resolution_weights_and_the_middle(folders: dict[str, Path], name: str) -> None:
    plain = load_backbone(str(folders[name]), stages=("mid", "last"))
    fine = load_backbone(str(folders[name]), stages=("mid", "last"), last_stride=1)
    assert fine.state_dict().keys() == plain.state_dict().keys()
    middle, last = fine(FRAMES)
    torch.testing.assert_close(middle, plain(FRAMES)[0], rtol=0, atol=0)
    assert last.shape[-2:] == (4, 4)
    assert last.shape[2] == plain.channels[1]
    assert fine.digest() != plain.digest()


def test_basic_blocks_take_last_stride_one_too(tmp_path: Path) -> None:
    folder = save_tiny("resnet", tmp_path, layer_type="basic")
    (last,) = load_backbone(str(folder), stages=("last",), last_stride=1)(FRAMES)
    assert last.shape[-2:] == (4, 4)


def test_training_mode_does_not_touch_batch_norm(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["mobilenet_v2"]), stages=("last",))
    expected, digest = backbone(FRAMES)[0], backbone.digest()
    torch.testing.assert_close(backbone.train()(FRAMES)[0], expected, rtol=0, atol=0)
    assert backbone.digest() == digest


def test_the_digest_names_weights_and_settings_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    backbone = load_backbone(str(folders["resnet"]))
    assert len(backbone.digest()) == 16
    elsewhere = load_backbone(str(save_tiny("resnet", tmp_path)), stages=("last",))
    assert elsewhere.digest() == backbone.digest()
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert load_backbone(str(tmp_path)).digest() != backbone.digest()
    with torch.no_grad():
        next(backbone.parameters()).add_(1e-3)
    assert elsewhere.digest() != backbone.digest()


def test_frames_that_cannot_be_taken_are_refused(folders: dict[str, Path]) -> None:
    video = load_backbone(str(folders["videomae"]))
    with pytest.raises(
        ValueError, match=r"expected frames of 32 × 32 pixels, the only size .* got 48 × 48; resize"
    ):
        video(torch.zeros(1, 4, 3, 48, 48))
    clip = load_backbone(str(folders["clip_vision_model"]))
    with pytest.raises(ValueError, match=r"at least one patch \(8, 8\), got 4 × 40 pixels"):
        clip(torch.zeros(1, 1, 3, 4, 40))
    with pytest.raises(ValueError, match=r"expected float frames .* got uint8 \(1, 1, 3, 32, 32\)"):
        clip(torch.zeros(1, 1, 3, 32, 32, dtype=torch.uint8))


def test_gradients_reach_pixels_and_weights(folders: dict[str, Path]) -> None:
    backbone = load_backbone(str(folders["resnet"]))
    frames = FRAMES[:1].clone().requires_grad_()
    backbone(frames)[0].sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()
    assert next(backbone.parameters()).grad is not None
