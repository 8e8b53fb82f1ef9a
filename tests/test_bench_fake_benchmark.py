"""A fake benchmark has a readable clip for every line, all different, and the broken ones that were asked for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from a2m2.bench.fake_benchmark import NUM_FRAMES, SIDE, main, moving_square, write_benchmark
from a2m2.data import content_digest
from a2m2.data.lists import VideoList, match_videos, read_lists
from a2m2.data.lists.decoding import find_undecodable
from a2m2.errors import DataError
from list_fixtures import write_lists


@pytest.fixture
def listed(tmp_path: Path) -> VideoList:
    """Lists of two formats, one class name with brackets and one id that begins with a hyphen."""
    lines = {
        "train": [f"massaging person's head (1)/-abcdefghi{k}" for k in range(3)],
        "test": [f"hug/v_hug_g01_c0{k}" for k in range(3)],
    }
    return read_lists([write_lists(tmp_path / "lists", **lines)])


def test_every_line_has_a_clip_of_its_own(listed: VideoList, tmp_path: Path) -> None:
    broken = write_benchmark(listed, tmp_path / "videos", num_broken=2)
    matches = match_videos(listed, tmp_path / "videos")
    found = [path for path in matches.found if path is not None]
    assert len(found) == len(listed.videos) == 6
    assert len({content_digest(path) for path in found}) == 6
    assert set(find_undecodable(found, cache=tmp_path / "cache", num_workers=1)) == set(broken)
    assert len({path.parent for path in broken}) == 2
    times = {path: path.stat().st_mtime_ns for path in found}
    assert write_benchmark(listed, tmp_path / "videos", num_broken=2) == broken
    assert times == {path: path.stat().st_mtime_ns for path in found}


def test_motion_belongs_to_the_class_and_colour_to_the_clip() -> None:
    def path_of_square(class_name: str, clip: str) -> np.ndarray:
        frames = moving_square(class_name, clip)
        assert frames.shape == (NUM_FRAMES, 3, SIDE, SIDE)
        # The phase of the first Fourier component is where the square is, around the edges too.
        square = (frames != frames.min(axis=(0, 2, 3), keepdims=True)).all(axis=1)
        waves = np.exp(2j * np.pi * np.arange(SIDE) / SIDE)
        places = np.stack([np.angle(square.sum(2) @ waves), np.angle(square.sum(1) @ waves)])
        steps = np.diff(np.unwrap(places), axis=1) * SIDE / (2 * np.pi)
        return steps.mean(axis=1)

    one, two, other = path_of_square("hug", "1"), path_of_square("hug", "2"), path_of_square("run", "1")
    # Places are whole pixels: over seven steps a mean step is off by less than 1/7.
    assert np.abs(one - two).max() < 2 / 7
    assert np.abs(one - other).max() > 2 / 7
    assert (moving_square("hug", "1") != moving_square("hug", "2")).any()
    assert (moving_square("hug", "1") == moving_square("hug", "1")).all()


def test_the_command_names_the_broken(
    listed: VideoList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path / "lists"), str(tmp_path / "videos"), "--broken", "1"])
    printed = capsys.readouterr().out
    assert "6 lines" in printed
    assert re.search(r"^broken: .*videos/hug/v_hug_g01_c00\.mp4$", printed, re.MULTILINE)


def test_more_broken_than_clips(listed: VideoList, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected at most 6 broken clips, got 7; ask for fewer"):
        write_benchmark(listed, tmp_path / "videos", num_broken=7)
