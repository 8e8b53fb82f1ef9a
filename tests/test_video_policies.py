"""Laws of the frame policies, against plain loops over the definitions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from a2m2.video import sample_index, segment_center, segment_random, sliding_windows, uniform

NUM_FRAMES = st.integers(1, 2000)
NUM_SEGMENTS = st.integers(1, 64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("policy", ["segment_center", "segment_random", "uniform"])
@given(num_frames=NUM_FRAMES, num_segments=NUM_SEGMENTS, seed=st.integers(0, 100))
@settings(deadline=None)
def test_indices_are_in_range_and_never_decrease(
    policy: str, num_frames: int, num_segments: int, seed: int
) -> None:
    index = sample_index(num_frames, num_segments, policy=policy, generator=generator(seed))
    assert index.dtype == torch.int64
    assert index.shape == (num_segments,)
    assert int(index.min()) >= 0
    assert int(index.max()) < num_frames
    assert bool((index.diff() >= 0).all())


@given(num_frames=NUM_FRAMES, num_segments=NUM_SEGMENTS)
@settings(deadline=None)
def test_segment_center_is_the_frame_at_the_middle_of_each_segment(
    num_frames: int, num_segments: int
) -> None:
    middles = [Fraction(2 * i + 1, 2) * num_frames / num_segments for i in range(num_segments)]
    assert segment_center(num_frames, num_segments).tolist() == [floor(middle) for middle in middles]


@given(num_frames=NUM_FRAMES, num_segments=NUM_SEGMENTS)
@settings(deadline=None)
def test_segment_center_of_a_reversed_video(num_frames: int, num_segments: int) -> None:
    middles = [Fraction(2 * i + 1, 2) * num_frames / num_segments for i in range(num_segments)]
    index = segment_center(num_frames, num_segments).tolist()
    mirrored = [num_frames - 1 - k for k in reversed(index)]
    for middle, here, there in zip(middles, index, mirrored, strict=True):
        assert here == there + (middle.denominator == 1)


@given(num_frames=NUM_FRAMES, num_segments=NUM_SEGMENTS, seed=st.integers(0, 1000))
@settings(deadline=None)
def test_segment_random_stays_in_its_segment(num_frames: int, num_segments: int, seed: int) -> None:
    index = segment_random(num_frames, num_segments, generator(seed)).tolist()
    for i, frame in enumerate(index):
        first, end = i * num_frames // num_segments, (i + 1) * num_frames // num_segments
        assert first <= frame < max(end, first + 1)


def test_segment_random_takes_every_frame_of_a_segment_equally_often() -> None:
    source = generator()
    draws = torch.stack([segment_random(10, 2, source) for _ in range(5000)])
    counts = torch.stack([(draws == frame).sum() for frame in range(10)])
    assert bool((counts.float() - 1000).abs().max() < 150)


@given(num_frames=NUM_FRAMES)
@settings(deadline=None)
def test_segment_random_draws_as_often_for_every_video(num_frames: int) -> None:
    source, reference = generator(), generator()
    segment_random(num_frames, 8, source)
    segment_random(1000, 8, reference)
    assert torch.equal(source.get_state(), reference.get_state())


@given(num_frames=NUM_FRAMES, num_segments=st.integers(2, 64))
@settings(deadline=None)
def test_uniform_is_the_nearest_frame_to_even_spacing(num_frames: int, num_segments: int) -> None:
    exact = [Fraction(i * (num_frames - 1), num_segments - 1) for i in range(num_segments)]
    index = uniform(num_frames, num_segments).tolist()
    assert index == [floor(value + Fraction(1, 2)) for value in exact]
    assert (index[0], index[-1]) == (0, num_frames - 1)


def test_uniform_of_one_segment_is_the_middle_frame() -> None:
    assert uniform(9, 1).tolist() == [4]
    assert uniform(1, 1).tolist() == [0]


@given(num_frames=NUM_FRAMES)
@settings(deadline=None)
def test_as_many_segments_as_frames_is_every_frame(num_frames: int) -> None:
    everything = list(range(num_frames))
    assert segment_center(num_frames, num_frames).tolist() == everything
    assert uniform(num_frames, num_frames).tolist() == everything
    assert segment_random(num_frames, num_frames, generator()).tolist() == everything


@given(num_frames=NUM_FRAMES, window=st.integers(1, 40), stride=st.integers(1, 40))
@settings(deadline=None)
def test_sliding_windows_against_a_loop(num_frames: int, window: int, stride: int) -> None:
    starts, start = [], 0
    while start + window <= num_frames:
        starts.append(start)
        start += stride
    if not starts or starts[-1] + window < num_frames:
        starts.append(max(num_frames - window, 0))
    expected = [[min(s + k, num_frames - 1) for k in range(window)] for s in starts]
    assert sliding_windows(num_frames, window, stride).tolist() == expected


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected counts >= 1, got num_frames=0 and 8 wanted"):
        segment_center(0, 8)
    with pytest.raises(ValueError, match=r"expected stride >= 1, got 0"):
        sliding_windows(10, 4, 0)
    with pytest.raises(ValueError, match=r"expected a generator for policy 'segment_random', got None"):
        sample_index(10, 4, policy="segment_random")
    with pytest.raises(
        ValueError, match=r"expected a policy of segment_center, segment_random, uniform, got 'dense'"
    ):
        sample_index(10, 4, policy="dense")  # type: ignore[arg-type]
