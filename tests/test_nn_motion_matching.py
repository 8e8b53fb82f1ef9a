"""Motion matching against its formula as a slow loop, and what small-cnn and differences inside a ResNet make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from a2m2.errors import WeightsError
from a2m2.nn import load_backbone
from a2m2.nn.calibration import earlier, later
from a2m2.nn.inner_difference import InnerDifference, inner_difference
from a2m2.nn.motion_matching import STRIDE, MotionMatching
from a2m2.nn.small_cnn import SmallCNN
from tiny_backbones import save_tiny


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_shares(maps: np.ndarray, radius: int, sharpness: float, step: int) -> np.ndarray:
    """p(δ | i) in the frame ``step`` later, one position and one displacement at a time."""
    batch, time, _, height, width = maps.shape
    side = 2 * radius + 1
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    shares = np.zeros((batch, time, side * side, rows, columns))
    for clip, frame, row, column in np.ndindex(batch, time, rows, columns):
        here = maps[clip, frame, :, STRIDE * row, STRIDE * column]
        other = maps[clip, min(max(frame + step, 0), time - 1)]
        weights = np.zeros(side * side)
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                y, x = STRIDE * row + down, STRIDE * column + right
                if 0 <= y < height and 0 <= x < width:
                    there = other[:, y, x]
                    cosine = here @ there / (np.linalg.norm(here) * np.linalg.norm(there))
                    weights[(down + radius) * side + right + radius] = np.exp(sharpness * cosine)
        shares[clip, frame, :, row, column] = weights / weights.sum()
    return shares


def shares_of(layer: MotionMatching, maps: torch.Tensor, step: int) -> torch.Tensor:
    """The layer's shares in the frame before (−1) or after (1)."""
    units = functional.normalize(maps, dim=2)
    return layer.shares(units, earlier(units, by=1) if step < 0 else later(units))


@pytest.mark.parametrize(("height", "width", "radius"), [(4, 4, 1), (5, 3, 2), (2, 6, 3), (1, 1, 1)])
def test_shares_equal_the_formula(height: int, width: int, radius: int) -> None:
    maps = noise(2, 3, 4, height, width)
    layer = MotionMatching(5, radius=radius, sharpness=3.0).double().eval()
    sharpness = float(layer.log_sharpness.detach().exp())
    expected = [slow_shares(maps.numpy(), radius, sharpness, step) for step in (-1, 1)]
    for step, values in zip((-1, 1), expected, strict=True):
        np.testing.assert_allclose(shares_of(layer, maps, step).detach(), values, atol=1e-12)
    both = torch.from_numpy(np.concatenate(expected, axis=2))
    out = layer(maps)
    torch.testing.assert_close(out, layer.mix(both.flatten(0, 1)).unflatten(0, (2, 3)))
    assert out.shape == (2, 3, 5, -(-height // STRIDE), -(-width // STRIDE))
    assert (out >= 0).all()


def test_each_position_shares_one() -> None:
    shares = shares_of(MotionMatching(4), noise(1, 2, 3, 8, 8).float(), -1)
    torch.testing.assert_close(shares.sum(2), torch.ones(1, 2, 4, 4))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -1), (-3, 3), (1, 0)])
def test_a_shifted_texture_is_found_where_it_came_from_and_where_it_goes(down: int, right: int) -> None:
    radius, texture = 3, noise(24, 16, 16)
    maps = torch.stack([texture, texture.roll((down, right), (1, 2))])[None]
    layer = MotionMatching(4, radius=radius, sharpness=40.0).double()
    side = 2 * radius + 1
    for step, frame in ((-1, 1), (1, 0)):
        shares = shares_of(layer, maps, step)[0]
        inside = shares[frame, :, 2:6, 2:6]
        expected = (radius + step * down) * side + radius + step * right
        assert (inside.argmax(0) == expected).all()
        assert inside[expected].min() > 0.9
        # The frame at the other end has nothing on this side and is matched with itself.
        assert (shares[1 - frame].argmax(0) == side * radius + radius).all()


def test_sharpness_and_maps_receive_gradients_and_zeros_are_finite() -> None:
    maps = noise(1, 3, 4, 4, 4).requires_grad_()
    layer = MotionMatching(4, radius=1).double().eval()
    with torch.no_grad():
        masked = maps.clone()
        masked[0, 0] = 0
    masked.requires_grad_()
    for some in (maps, masked):
        layer(some).square().sum().backward()
        assert some.grad.isfinite().all()
        assert some.grad.abs().sum() > 0
    assert layer.log_sharpness.grad.abs() > 0


# --- small-cnn ---


@pytest.mark.parametrize("difference", [False, True])
@pytest.mark.parametrize(("size", "middle", "last"), [(64, 16, 8), (48, 12, 6), (33, 9, 5)])
def test_small_cnn_maps(difference: bool, size: int, middle: int, last: int) -> None:
    backbone = load_backbone("small-cnn", stages=("mid", "last"), difference=difference)
    assert isinstance(backbone, SmallCNN)
    assert not backbone.training
    maps = backbone(torch.rand(2, 3, 3, size, size))
    assert [tuple(some.shape) for some in maps] == [(2, 3, 32, middle, middle), (2, 3, 64, last, last)]
    assert backbone.channels == (32, 64)


def test_small_cnn_sees_each_frame_alone_unless_it_sees_differences() -> None:
    frames = torch.rand(1, 4, 3, 32, 32)
    swapped = frames[:, [0, 2, 1, 3]]
    for difference in (False, True):
        backbone = load_backbone("small-cnn", stages=("mid", "last"), difference=difference)
        (middle, last), (other_middle, other_last) = backbone(frames), backbone(swapped)
        torch.testing.assert_close(other_middle[:, [0, 2, 1, 3]], middle)
        assert torch.allclose(other_last[:, [0, 2, 1, 3]], last, atol=1e-5) != difference
        # A frame sees its neighbours and nothing beyond them.
        (early,) = load_backbone("small-cnn", stages=("last",), difference=difference)(frames[:, :3])
        torch.testing.assert_close(early[:, :2], last[:, :2])
        assert torch.allclose(early[:, 2], last[:, 2], atol=1e-5) != difference


def test_small_cnn_is_its_seed() -> None:
    one, same, other = (load_backbone("small-cnn", random_seed=seed) for seed in (0, 0, 1))
    assert one.digest() == same.digest() != other.digest()
    assert load_backbone("small-cnn", difference=True).digest() != one.digest()
    state = torch.random.get_rng_state()
    load_backbone("small-cnn")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_backbones_that_have_no_such_part_say_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"small-cnn has no stage pooled; expected 'mid' or 'last'"):
        load_backbone("small-cnn", stages=("pooled",))
    with pytest.raises(
        WeightsError, match=r"motion-filters has no difference to learn; leave backbone\.difference off"
    ):
        load_backbone("motion-filters", difference=True)
    folder = save_tiny("convnext", tmp_path)
    with pytest.raises(
        WeightsError, match=r"is for small-cnn and resnet, .* is a convnext; use m2\.calibration=diff"
    ):
        load_backbone(str(folder), difference=True)


# --- differences inside a ResNet ---


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("resnet", tmp_path_factory.mktemp("resnet")))


@pytest.mark.parametrize("last_stride", [1, 2])
def test_differences_start_as_the_identity(resnet: str, last_stride: int) -> None:
    frames = torch.rand(2, 3, 3, 64, 64)
    plain = load_backbone(resnet, stages=("mid", "last"), last_stride=last_stride)
    inner = load_backbone(resnet, stages=("mid", "last"), last_stride=last_stride, difference=True)
    for found, expected in zip(inner(frames), plain(frames), strict=True):
        assert torch.equal(found, expected)
    assert inner.digest() != plain.digest()
    # Weights of the plain network are all there, under the stage.
    assert len(inner.state_dict()) == len(plain.state_dict()) + 1


def test_gradient_reaches_the_projection_and_moving_it_sees_the_frame_before(resnet: str) -> None:
    frames = torch.rand(2, 3, 3, 64, 64)
    backbone = load_backbone(resnet, stages=("last",), difference=True)
    inner = inner_difference(backbone)
    assert inner is not None
    before = backbone(frames)[0]
    before.square().sum().backward()
    assert inner.project.weight.grad.abs().sum() > 0
    with torch.no_grad():
        inner.project.weight += 0.3 * torch.randn_like(inner.project.weight)
        after = backbone(frames)[0]
    torch.testing.assert_close(after[:, 0], before[:, 0])  # nothing comes before the first frame of a clip
    assert not torch.allclose(after[:, 1:], before[:, 1:])
    with torch.no_grad():
        torch.testing.assert_close(backbone(frames[1:])[0], after[1:])  # clips do not see each other
        torch.testing.assert_close(backbone(frames[:, :2])[0], after[:, :2])


def test_the_layer_is_its_formula() -> None:
    torch.manual_seed(0)
    layer = InnerDifference(torch.nn.Identity(), 2)
    layer.num_frames = 3
    with torch.no_grad():
        layer.project.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]])[..., None, None])
    maps = torch.randn(6, 2, 4, 4)
    got = layer(maps).detach().unflatten(0, (2, 3))
    clips = maps.unflatten(0, (2, 3))
    for clip in range(2):
        for frame in range(3):
            change = clips[clip, frame] - clips[clip, max(frame - 1, 0)]
            projected = torch.stack([change[0] + 2 * change[1], -change[1]])
            torch.testing.assert_close(got[clip, frame], clips[clip, frame] + projected)
