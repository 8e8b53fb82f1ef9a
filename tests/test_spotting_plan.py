"""Windows see what the recogniser would take of a clip cut out there, and keep no more frames than they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.errors import ConfigError
from a2m2.settings import VideoSettings
from a2m2.spotting import SpotSettings
from a2m2.spotting.plan import plan_windows, window_seconds
from a2m2.spotting.scoring import describe_windows, see_with
from a2m2.spotting.stream import seen_windows
from a2m2.structures import Clip
from a2m2.video import sample_index, write_clip
from a2m2.video.stream import StreamedFrame, VideoStream
from recognize_fixtures import small, squares
from tiny_backbones import save_tiny
from tiny_clips import moving_square

EIGHT = VideoSettings(num_frames=8)


class Tracked(tuple):
    """What is kept of one frame, counted while it is alive."""

    alive = 0
    most = 0

    def __new__(cls, values: tuple[torch.Tensor, ...]) -> Tracked:
        cls.alive += 1
        cls.most = max(cls.most, cls.alive)
        return super().__new__(cls, values)

    def __del__(self) -> None:
        type(self).alive -= 1


def numbered(times: list[float]) -> Iterator[StreamedFrame]:
    """Frames without pictures, told apart by their times."""
    return (StreamedFrame(seconds, None, Path(), None) for seconds in times)  # type: ignore[arg-type]


def seconds_of(frame: StreamedFrame) -> tuple[torch.Tensor, ...]:
    return Tracked((torch.tensor([frame.seconds]),))


@pytest.mark.parametrize("rate", [16.0, 25.0, 30000 / 1001])
@pytest.mark.parametrize("policy", ["segment_center", "uniform"])
def test_windows_see_what_the_recogniser_takes_of_a_clip_cut_out_there(rate: float, policy: str) -> None:
    number = 200
    video = VideoSettings(num_frames=8, policy=policy)
    plan = plan_windows((1.5, 2.5), frames_per_second=rate, video=video, duration_seconds=number / rate)
    times = [round(frame / rate, 3) for frame in range(number)]  # as a container in milliseconds has them
    found = list(seen_windows(numbered(times), plan, seconds_of, duration_seconds=lambda: number / rate))
    for one in found:
        length = one.window.end - one.window.start
        expected = one.window.start + sample_index(length, 8, policy=policy)
        seen = [round(float(frame[0]) * rate) for frame in one.frames]
        assert seen == expected.tolist()
    spans = {(one.window.start, one.window.end) for one in found}
    assert spans == {
        (start, start + length.length)
        for length in plan.lengths
        for start in range(0, number - length.length + 1, length.stride)
    }
    assert plan.count(number / rate) == {
        length.length: sum(end - start == length.length for start, end in spans) for length in plan.lengths
    }


def test_frames_of_variable_rate_are_those_on_screen() -> None:
    times = [0.0, 0.5, 1.3, 1.4, 2.0, 3.6]
    plan = plan_windows((2.0,), frames_per_second=8.0, video=VideoSettings(num_frames=4), stride=1.0)
    first, second = seen_windows(numbered(times), plan, seconds_of, duration_seconds=lambda: 4.0)
    # Middles of quarters: 0.25, 0.75, 1.25, 1.75, and two seconds later.
    assert [float(frame[0]) for frame in first.frames] == pytest.approx([0.0, 0.5, 0.5, 1.4])
    assert [float(frame[0]) for frame in second.frames] == pytest.approx([2.0, 2.0, 2.0, 3.6])


@pytest.mark.parametrize("number", [300, 3000])
def test_memory_is_bounded_by_the_longest_window(number: int) -> None:
    plan = plan_windows((1.0, 2.0), frames_per_second=25.0, video=EIGHT)
    Tracked.most = Tracked.alive = 0
    count = 0
    for _ in seen_windows(numbered([frame / 25 for frame in range(number)]), plan, seconds_of):
        count += 1
    assert count > number / 25
    assert Tracked.most <= 26  # of 48 ticks; the windows of either length need every third or sixth
    assert Tracked.alive <= 26


def test_a_slow_recording_gets_more_ticks_than_frames() -> None:
    plan = plan_windows((1.0,), frames_per_second=3.0, video=EIGHT, duration_seconds=60.0)
    assert plan.ticks_per_second == 9.0
    assert [plan.seconds(length.length) for length in plan.lengths] == [pytest.approx(8 / 9)]


def test_a_recording_shorter_than_a_window_is_one_window() -> None:
    plan = plan_windows((2.0, 4.0), frames_per_second=10.0, video=EIGHT, duration_seconds=1.0)
    assert [length.length for length in plan.lengths] == [10]
    (only,) = seen_windows(
        numbered([frame / 10 for frame in range(10)]), plan, seconds_of, duration_seconds=lambda: 1.0
    )
    assert [round(10 * float(frame[0])) for frame in only.frames] == sample_index(
        10, 8, policy="segment_center"
    ).tolist()


def test_lengths_come_from_the_enrolled_clips() -> None:
    assert window_seconds({"a": [1.0, 3.0, 2.0]}, speeds=(0.5, 1.0, 2.0)) == (1.0, 2.0, 4.0)
    assert window_seconds({"a": [2.0], "b": [2.1], "c": [5.0]}, speeds=(1.0,)) == (2.0, 5.0)


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(
        ConfigError, match=r"expected speeds from 0.05 to 20, got 1, 0; give for example 0.75, 1 and 1.33"
    ):
        window_seconds({"a": [1.0]}, speeds=(1.0, 0.0))
    for speeds, given in (((), "none"), ((float("nan"),), "nan"), ((1e300,), "1e\\+300")):
        with pytest.raises(ConfigError, match=f"expected speeds from 0.05 to 20, got {given};"):
            window_seconds({"a": [1.0]}, speeds=speeds)
    with pytest.raises(ConfigError, match="expected a finite score as threshold, got nan; give for example"):
        SpotSettings(threshold=float("nan"))
    with pytest.raises(ConfigError, match=r"expected a stride above 0 and at most 1, got 1\.5"):
        plan_windows((1.0,), frames_per_second=25.0, video=EIGHT, stride=1.5)


@pytest.mark.parametrize("shared", [False, True])
def test_descriptors_are_those_of_the_clip_cut_out(tmp_path: Path, shared: bool) -> None:
    """To 1e-3 of their size: maps kept in half precision differ in the last bit where batches differ in size."""
    backbone = str(save_tiny("resnet", tmp_path / "backbone")) if shared else "motion-filters"
    recognizer = small(tmp_path / "cache", backbone=backbone).fit(*squares(("down", "left"), range(1)))
    enrolled = recognizer.enrolled_
    frames = np.concatenate([moving_square(name, 5) for name in ("left", "down")])
    write_clip(tmp_path / "long.mp4", frames, fps=16, crf=0)
    stream = VideoStream(tmp_path / "long.mp4")
    plan = plan_windows(
        (1.0, 1.5), stride=0.5, frames_per_second=stream.frames_per_second, video=enrolled.encoder.video
    )
    windows = list(seen_windows(stream.frames(), plan, see_with(enrolled)))
    assert {window.window.end - window.window.start for window in windows} == {16, 24}
    described = describe_windows(enrolled, plan, windows)
    decoded = torch.stack([frame.picture() for frame in VideoStream(tmp_path / "long.mp4").frames()])
    for row, one in enumerate(windows):
        write = decoded[one.window.start : one.window.end]
        own, _ = enrolled.match([_sampled(write, stream.frames_per_second, enrolled.encoder.video)])
        error = (own.values[0] - described.values[row]).norm() / own.values[0].norm()
        assert error < 1e-3
        torch.testing.assert_close(own.spans[0], described.spans[row])
    stream.close()


def _sampled(frames: torch.Tensor, rate: float, video: VideoSettings) -> Clip:
    index = sample_index(len(frames), video.num_frames, policy=video.policy)
    return Clip(frames[index], index.double() / rate, index, len(frames) / rate)
