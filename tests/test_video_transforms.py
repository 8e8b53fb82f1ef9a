"""Resizing and cropping, against Pillow and against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from a2m2.video import center_crop, prepare, resize_short, to_float


def noise(time: int, height: int, width: int, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (time, 3, height, width), generator=generator, dtype=torch.uint8)


@given(height=st.integers(8, 60), width=st.integers(8, 60), size=st.integers(4, 40))
@settings(max_examples=40, deadline=None)
def test_resize_agrees_with_pillow(height: int, width: int, size: int) -> None:
    frames = noise(1, height, width)
    resized = resize_short(frames, size)
    shorter = min(height, width)
    target = (size * width // shorter, size * height // shorter)
    picture = Image.fromarray(frames[0].permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize(target, Image.Resampling.BILINEAR))
    assert resized.dtype == torch.uint8
    assert resized.shape == (1, 3, target[1], target[0])
    difference = resized[0].permute(1, 2, 0).int() - torch.from_numpy(expected.copy()).int()
    assert int(difference.abs().max()) <= 1  # Pillow rounds between the two axes


def test_resize_of_the_right_size_returns_the_same_frames() -> None:
    frames = noise(2, 32, 48)
    assert resize_short(frames, 32) is frames


def test_resize_keeps_constant_pictures_constant() -> None:
    frames = torch.full((1, 3, 50, 70), 93, dtype=torch.uint8)
    assert bool((resize_short(frames, 23) == 93).all())
    assert resize_short(frames, 23).shape == (1, 3, 23, 32)


def test_center_crop_takes_the_middle() -> None:
    frames = noise(2, 9, 12)
    assert torch.equal(center_crop(frames, 4), frames[:, :, 2:6, 4:8])
    assert torch.equal(center_crop(frames, 9), frames[:, :, :, 1:10])


def test_to_float_is_exact() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_float(values)[0, 0].flatten(), torch.arange(256) / 255)


@given(height=st.integers(20, 70), width=st.integers(20, 70))
@settings(max_examples=20, deadline=None)
def test_prepare_is_the_chain_of_its_parts(height: int, width: int) -> None:
    frames = noise(3, height, width)
    prepared = prepare(frames, resize=18, crop=16)
    assert prepared.shape == (3, 3, 16, 16)
    assert prepared.dtype == torch.float32
    assert prepared.is_contiguous()
    assert float(prepared.min()) >= 0
    assert float(prepared.max()) <= 1
    chain = center_crop(resize_short(to_float(frames), 18), 16)
    torch.testing.assert_close(prepared, chain)


def test_wrong_arguments_are_named() -> None:
    frames = noise(1, 20, 30)
    with pytest.raises(ValueError, match=r"expected frames of at least 24x24 to crop, got 20x30"):
        center_crop(frames, 24)
    with pytest.raises(
        ValueError, match=r"expected frames of shape \(time, 3, height, width\), got \(3, 20, 30\)"
    ):
        resize_short(frames[0], 10)
    with pytest.raises(ValueError, match=r"expected uint8 frames, got torch.float32"):
        to_float(frames.float())
    with pytest.raises(ValueError, match=r"expected crop <= resize, got crop=20 and resize=16"):
        prepare(frames, resize=16, crop=20)
    with pytest.raises(ValueError, match=r"expected a size of at least one pixel, got 0"):
        resize_short(frames, 0)
