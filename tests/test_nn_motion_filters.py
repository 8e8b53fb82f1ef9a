"""The hand-made motion encoder: what moves where shows in its channels, and stillness in none."""

from __future__ import annotations

import pytest
import torch

from a2m2.errors import WeightsError
from a2m2.nn import M2Block, fit_reduction, load_backbone
from a2m2.nn.motion_filters import NUM_CHANNELS, NUM_DIRECTIONS

# Contrast first; then for the frame before and the frame after: directions, displacement in x and y, change.
MOTION = NUM_DIRECTIONS + 3
BEFORE = slice(1, 1 + MOTION)
AFTER = slice(1 + MOTION, 1 + 2 * MOTION)


def moving_square(step_x: int, step_y: int, *, size: int = 96, time: int = 4) -> torch.Tensor:
    """A textured square that moves by so many pixels a frame, from the middle of a grey ground."""
    generator = torch.Generator().manual_seed(0)
    texture = torch.rand(3, 6, 6, generator=generator).repeat_interleave(4, -1).repeat_interleave(4, -2)
    clip = torch.full((1, time, 3, size, size), 0.5)
    for t in range(time):
        x, y = (size - 24) // 2 + t * step_x, (size - 24) // 2 + t * step_y
        clip[0, t, :, y : y + 24, x : x + 24] = texture
    return clip


def maps(clip: torch.Tensor) -> torch.Tensor:
    return load_backbone("motion-filters")(clip)[0]


@pytest.mark.parametrize(("step_x", "step_y"), [(10, 0), (-10, 0), (0, 10), (0, -10)])
def test_displacement_and_directions_point_where_things_move(step_x: int, step_y: int) -> None:
    motion = maps(moving_square(step_x, step_y))[0, 2, BEFORE].mean(dim=(-2, -1))
    right, down = motion[NUM_DIRECTIONS], motion[NUM_DIRECTIONS + 1]
    along, across = (right, down) if step_x else (down, right)
    assert along * (step_x + step_y) > 0
    assert along.abs() > 3 * across.abs()
    direction = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}[
        (step_x > 0) - (step_x < 0), (step_y > 0) - (step_y < 0)
    ]
    assert motion[:NUM_DIRECTIONS].argmax() == direction * NUM_DIRECTIONS // 4


def test_nothing_moves_in_a_still_clip() -> None:
    still = maps(moving_square(0, 0))
    assert not still[:, :, 1 : 1 + 2 * MOTION].any()
    assert still[:, :, 0].std() > 0


def test_the_first_frame_has_no_past_and_the_last_no_future() -> None:
    found = maps(moving_square(8, 3))
    assert not found[:, 0, BEFORE].any()
    assert not found[:, -1, AFTER].any()
    assert found[:, 1, BEFORE].any()
    assert found[:, 0, AFTER].any()


def test_a_clip_run_backwards_swaps_past_and_future() -> None:
    clip = moving_square(7, -4)
    forward, backward = maps(clip), maps(clip.flip(1)).flip(1)
    same_sign = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(backward[:, :, BEFORE], forward[:, :, AFTER], **same_sign)
    torch.testing.assert_close(backward[:, :, AFTER], forward[:, :, BEFORE], **same_sign)


@pytest.mark.parametrize("size", [64, 96, 131, 224])
def test_frames_of_any_size_give_the_same_grid(size: int) -> None:
    found = maps(moving_square(2, 2, size=size))
    assert found.shape[:3] == (1, 4, NUM_CHANNELS)
    assert found.shape[-2] == found.shape[-1]
    assert found.isfinite().all()
    assert found.abs().max() < 100


def test_each_clip_is_read_alone_and_the_same_every_time() -> None:
    clips = torch.cat([moving_square(5, 0), moving_square(0, 5)])
    found = maps(clips)
    torch.testing.assert_close(found[1:], maps(clips[1:]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(maps(clips), found, rtol=0, atol=0)


def test_channels_are_independent_enough_for_the_default_reduction() -> None:
    clips = torch.cat([moving_square(x, y) for x in (-9, 0, 6) for y in (-6, 0, 9)])
    clips = clips + 0.02 * torch.rand(clips.shape, generator=torch.Generator().manual_seed(1))
    found = maps(clips)
    reduction = fit_reduction([found], num_components=min(32, NUM_CHANNELS))
    block = M2Block(reduction)
    pts = (torch.arange(4) + 0.5).expand(len(clips), 4)
    values = block(found, pts, torch.full((len(clips),), 4.0)).values
    assert values.isfinite().all()


def test_it_needs_no_weights_and_has_a_digest() -> None:
    backbone = load_backbone("motion-filters", stages=("mid", "last"))
    assert not list(backbone.parameters())
    assert not backbone.state_dict()
    assert backbone.channels == (NUM_CHANNELS, NUM_CHANNELS)
    assert len(backbone(moving_square(1, 1))) == 2
    assert backbone.digest() == load_backbone("motion-filters").digest()


def test_stages_and_strides_it_does_not_have_are_refused() -> None:
    with pytest.raises(WeightsError, match="motion-filters has no stage 3; expected 'mid' or 'last'"):
        load_backbone("motion-filters", stages=(3,))
    with pytest.raises(WeightsError, match="motion-filters has no last stride of 1; leave it at 2"):
        load_backbone("motion-filters", last_stride=1)
