"""Writing: the same bytes each time, all or nothing, and refusals that say why."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from a2m2.errors import OutputError
from a2m2.video import read_frames, write_clip
from a2m2.video import writer as writer_module
from video_fixtures import numbered_frames, numbers_in

FRAMES = numbered_frames(8)
SUFFIXES = ["mp4", "mov", "mkv", "avi", "webm", "gif"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_frames_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    write_clip(first, FRAMES, num_b_frames=2)
    write_clip(second, FRAMES.numpy(), num_b_frames=2)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_same_bytes_in_another_process(tmp_path: Path) -> None:
    program = (
        "import sys; from a2m2.video import write_clip; from video_fixtures import numbered_frames\n"
        "for path in sys.argv[1:]: write_clip(path, numbered_frames(8))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "7"}
    theirs = [tmp_path / f"theirs.{suffix}" for suffix in SUFFIXES]
    subprocess.run([sys.executable, "-c", program, *map(str, theirs)], check=True, env=environment)
    for path in theirs:
        write_clip(path.with_stem("ours"), FRAMES)
        assert path.with_stem("ours").read_bytes() == path.read_bytes()


def test_pictures_are_close_and_better_with_lower_crf(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :96]
    frames = np.stack([[columns * 2 + k, rows * 3 + k, rows + columns] for k in range(6)]).astype(np.uint8)
    errors = []
    for crf in (1, 18, 40):
        write_clip(tmp_path / "clip.mp4", frames, crf=crf)
        back = read_frames(tmp_path / "clip.mp4", range(6)).frames.numpy().astype(float)
        errors.append(float(np.abs(back - frames).mean()))
    assert errors == sorted(errors)
    assert errors[1] < 4


def test_any_view_of_a_tensor_can_be_written(tmp_path: Path) -> None:
    channels_last = FRAMES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    write_clip(tmp_path / "a.mp4", channels_last)
    write_clip(tmp_path / "b.mp4", FRAMES)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    write_clip(tmp_path / "c.mp4", FRAMES.flip(0)[::2])
    assert numbers_in(read_frames(tmp_path / "c.mp4", range(4)).frames) == [7, 5, 3, 1]


@pytest.mark.parametrize("fps", [1, 12.5, 29.97, Fraction(24000, 1001), 60])
def test_frame_rates(tmp_path: Path, fps: float | Fraction) -> None:
    write_clip(tmp_path / "clip.mp4", FRAMES, fps=fps)
    with av.open(str(tmp_path / "clip.mp4")) as file:
        assert float(file.streams.video[0].average_rate) == pytest.approx(float(fps), rel=1e-4)
    clip = read_frames(tmp_path / "clip.mp4", range(8))
    assert clip.pts_seconds.tolist() == pytest.approx([k / float(fps) for k in range(8)], rel=1e-4)


def test_codec_may_differ_from_the_natural_one(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mkv", FRAMES, codec="libvpx-vp9")
    with av.open(str(tmp_path / "clip.mkv")) as file:
        assert file.streams.video[0].codec_context.name == "vp9"
    assert numbers_in(read_frames(tmp_path / "clip.mkv", range(8)).frames) == list(range(8))


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", FRAMES)
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "clip.mp4").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_write_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES)
    before = path.read_bytes()
    whole = writer_module._video_frames

    def interrupted(*args: object) -> Iterator[av.VideoFrame]:
        for position, frame in enumerate(whole(*args)):  # type: ignore[arg-type]
            if position == 5:
                raise failure("in the middle")
            yield frame

    monkeypatch.setattr(writer_module, "_video_frames", interrupted)
    with pytest.raises(failure, match="in the middle"):
        write_clip(path, FRAMES.flip(0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files stands for a full disk: both let a write fail in the middle."""
    noise = torch.randint(0, 256, (16, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        with pytest.raises(
            OutputError,
            match=rf"cannot write .*clip\.{suffix}: the file is larger than the limit set for files",
        ):
            write_clip(tmp_path / f"clip.{suffix}", noise.to(torch.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(
        OutputError, match=r"cannot write .*taken\.mp4: it is a folder; give the name of a file$"
    ):
        write_clip(tmp_path / "taken.mp4", FRAMES)
    (tmp_path / "file").touch()
    with pytest.raises(
        OutputError, match=r"cannot write .*clip\.mp4: a part of the path is a file; give a path"
    ):
        write_clip(tmp_path / "file" / "clip.mp4", FRAMES)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "taken.mp4"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_clip(tmp_path / "new" / "folder" / "clip.mp4", FRAMES)
    assert [entry.name for entry in (tmp_path / "new" / "folder").iterdir()] == ["clip.mp4"]


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(ValueError, match=r"expected frames as uint8 .*, got float32\(8, 3, 64, 64\)"):
        write_clip(path, FRAMES.float())
    with pytest.raises(
        ValueError, match=r"expected frames as uint8 .* with time > 0, got uint8\(0, 3, 64, 64\)"
    ):
        write_clip(path, FRAMES[:0])
    with pytest.raises(ValueError, match=r"expected frames as uint8 .*, got uint8\(8, 64, 64, 3\)"):
        write_clip(path, FRAMES.permute(0, 2, 3, 1))
    with pytest.raises(
        ValueError, match=r"expected even height and width for libx264, got 63x64; crop one pixel"
    ):
        write_clip(path, FRAMES[:, :, 1:])
    with pytest.raises(ValueError, match=r"ends in one of \.mp4, .*\.gif, got 'clip\.wmv'"):
        write_clip(tmp_path / "clip.wmv", FRAMES)
    with pytest.raises(ValueError, match=r"expected fps > 0, got 0"):
        write_clip(path, FRAMES, fps=0)
    with pytest.raises(ValueError, match=r"expected 8 strictly increasing pts_seconds from 0, got \[0, 1\]"):
        write_clip(path, FRAMES, pts_seconds=[0, 1])
    with pytest.raises(
        ValueError, match=r"expected 8 strictly increasing pts_seconds from 0, got \[0, 1, 1, "
    ):
        write_clip(path, FRAMES, pts_seconds=[0, 1, 1, 2, 3, 4, 5, 6])
    with pytest.raises(ValueError, match=r"for 'clip\.avi', got avi, whose frame rate is constant"):
        write_clip(tmp_path / "clip.avi", FRAMES, pts_seconds=[k / 10 for k in range(8)])
    assert not list(tmp_path.iterdir())


def test_odd_sizes_are_fine_for_gif(tmp_path: Path) -> None:
    frames = torch.full((3, 3, 33, 41), 200, dtype=torch.uint8)
    write_clip(tmp_path / "clip.gif", frames)
    assert read_frames(tmp_path / "clip.gif", [0, 1, 2]).frames.shape == (3, 3, 33, 41)
