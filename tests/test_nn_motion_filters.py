"""The hand-made filters: what moves right says right, what stands still says nothing."""

from __future__ import annotations

import pytest
import torch

from a2m2.errors import WeightsError
from a2m2.nn import load_backbone
from a2m2.nn.motion_filters import GRID, NUM_CHANNELS, NUM_DIRECTIONS

# Steps of a square (right, down) and the direction of the histogram they belong to: eighths of a turn, clockwise.
STEPS = [
    ((8, 0), 0),
    ((8, 8), 1),
    ((0, 8), 2),
    ((-8, 8), 3),
    ((-8, 0), 4),
    ((-8, -8), 5),
    ((0, -8), 6),
    ((8, -8), 7),
]
BEFORE, AFTER = slice(1, 1 + NUM_DIRECTIONS), slice(12, 12 + NUM_DIRECTIONS)
FLOW, CHANGE = slice(9, 11), 11


def moving_square(right: int, down: int) -> torch.Tensor:
    """(1, 4, 3, 96, 96): a textured square in the middle of the clip's path."""
    texture = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0))
    frames = torch.full((1, 4, 3, 96, 96), 0.2)
    for time in range(4):
        x, y = 38 + right * (time - 1), 38 + down * (time - 1)
        frames[0, time, :, y : y + 20, x : x + 20] = texture
    return frames


def maps(frames: torch.Tensor) -> torch.Tensor:
    (found,) = load_backbone("motion-filters", stages=("mid",))(frames)
    return found[0]


@pytest.mark.parametrize(("step", "direction"), STEPS)
def test_the_histogram_points_where_the_square_goes(step: tuple[int, int], direction: int) -> None:
    found = maps(moving_square(*step))
    assert found.shape == (4, NUM_CHANNELS, GRID, GRID)
    assert int(found[2, BEFORE].sum((1, 2)).argmax()) == direction
    assert int(found[1, AFTER].sum((1, 2)).argmax()) == (direction + 4) % NUM_DIRECTIONS
    flow = found[2, FLOW].sum((1, 2))
    assert torch.equal(torch.sign((flow / flow.abs().max() * 1.9).round()), torch.tensor(step).sign().float())


def test_a_still_clip_shows_no_motion() -> None:
    found = maps(moving_square(0, 0))
    assert found[:, BEFORE].abs().max() == 0
    assert found[:, CHANGE].abs().max() == 0
    assert found[:, 0].max() > 0.1


def test_the_first_frame_has_no_past_and_the_last_no_future() -> None:
    found = maps(moving_square(8, 0))
    assert found[0, BEFORE].abs().max() == 0
    assert found[3, AFTER].abs().max() == 0


def test_the_same_clip_gives_the_same_map_in_any_batch_and_size() -> None:
    backbone = load_backbone("motion-filters", stages=("mid", "last"))
    clips = torch.cat([moving_square(8, 0), moving_square(0, 8)])
    mid, last = backbone(clips)
    assert torch.equal(mid, last)
    torch.testing.assert_close(backbone(clips[1:])[0], mid[1:])
    small = clips[:1, :, :, 16:80, 16:80]
    doubled = small.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    torch.testing.assert_close(backbone(doubled)[0], backbone(small)[0], atol=1e-4, rtol=1e-3)


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"motion-filters has no stage 3; expected 'mid' or 'last'"):
        load_backbone("motion-filters", stages=(3,))
    with pytest.raises(WeightsError, match=r"motion-filters has no last stride of 1; leave it at 2"):
        load_backbone("motion-filters", last_stride=1)
