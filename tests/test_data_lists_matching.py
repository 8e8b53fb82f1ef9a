"""Lines to videos on disk: every spelling, never a guess, and fast."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from a2m2.data.lists import Matches, match_videos, read_lists
from a2m2.data.lists.on_disk import match_names
from list_fixtures import write_lists, write_tree
from reference.lists import candidates


def match(tmp_path: Path, lines: list[str], files: list[str]) -> Matches:
    listed = read_lists(write_lists(tmp_path / "lists", train=lines))
    return match_names(listed, Path("root"), [tuple(name.split("/")) for name in files])


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("train8/78687", "78687.webm"),
        ("train8/78687", "a/b/78687.MP4"),
        ("train8/-78687", "-78687.mkv"),
        ("hug/-kYzxMKp514_000086_000096", "-kYzxMKp514.mp4"),
        ("hug/-kYzxMKp514", "hug/-kYzxMKp514_000086_000096.mp4"),
        ("blasting sand/x", "train_256/blasting_sand/x.mp4"),
        ("blasting sand/x", "Blasting-Sand/X.avi"),
        ("HandstandPushups/v_HandstandPushups_g01_c01", "HandstandPushups/v_HandStandPushups_g01_c01.avi"),
        ("cartwheel/(Rad)Schlag_die_Bank!_[x]_0", "cartwheel/(Rad)Schlag_die_Bank!_[x]_0.avi"),
        ("cartwheel/(Rad)Schlag_die_Bank!_[x]_0", "cartwheel/RadSchlag die Bank x 0.avi"),
        ("train0//train_256/hug/v1.2.avi", "v1.2.mp4"),
        ("hug/a b_c-d", "hug/A_b-c d.mov"),
    ],
)
def test_spellings(line: str, file: str, tmp_path: Path) -> None:
    found = match(tmp_path, [line], ["other/thing.mp4", file])
    assert found.found == (Path("root", file),)
    assert not found.ambiguous


@pytest.mark.parametrize(
    ("lines", "files", "found"),
    [
        (["hug/a_1_11"], ["a_11_1.mp4"], [None]),  # numbers keep what divides them
        (["walk/001"], ["run/001.mp4", "walk/002.mp4"], [None]),  # not from beside the class's own folder
        (["walk/001", "run/001"], ["run/001.mp4"], [None, "run/001.mp4"]),  # nor from another class's
        (["walk/001", "run/001"], ["001.mp4"], [None, None]),
        (["hug/A_1", "hug/a-1"], ["hug/a-1.mp4"], [None, "hug/a-1.mp4"]),  # an exact name owns its file
        (["hug/x"], ["hug/X.mp4", "hug/x.mp4"], ["hug/x.mp4"]),  # and is looked for first
        (["train/hug/x.avi"], ["test/hug/x.avi", "train/hug/x.avi"], ["train/hug/x.avi"]),
        (["hug/x.avi"], ["hug/x.mp4", "hug/x.avi"], ["hug/x.avi"]),
    ],
)
def test_which_video_is_taken(
    lines: list[str], files: list[str], found: list[str | None], tmp_path: Path
) -> None:
    expected = tuple(None if name is None else Path("root", name) for name in found)
    assert match(tmp_path, lines, files).found == expected


def test_what_may_be_several_is_not_guessed(tmp_path: Path) -> None:
    two = match(tmp_path, ["train0/5"], ["a/5.mp4", "b/5.webm"])
    assert two.found == (None,)
    assert two.ambiguous == {0: ("a/5.mp4", "b/5.webm")}
    shared = match(
        tmp_path, ["hug/kYzxMKp514a_000001_000011", "hug/kYzxMKp514a_000050_000060"], ["kYzxMKp514a.mp4"]
    )
    assert shared.found == (None, None)
    assert shared.ambiguous == {0: ("kYzxMKp514a.mp4",), 1: ("kYzxMKp514a.mp4",)}


def test_fast_is_slow(tmp_path: Path) -> None:
    rng = random.Random(5)
    classes = {"hug": "Hug", "ride bike": "ride_bike", "(shake) hands": "shake-hands", "walk": "stroll"}
    names = [f"{rng.choice('abXY')}{rng.choice('_- ')}{k}{rng.choice(['', '_1', '!'])}" for k in range(120)]
    lines = [(rng.choice(list(classes)), name) for name in names]
    files = []
    for class_name, name in lines:
        folder = rng.choice([class_name, classes[class_name], classes["hug"], "", "part/" + class_name])
        spelled = rng.choice([name, name.upper(), name.replace("_", " "), name.replace("!", "")])
        files.append(f"{folder}/{spelled}.mp4".lstrip("/"))
    files += [f"copy/{file}" for file in rng.sample(files, 30)]
    found = match(tmp_path, [f"{class_name}/{name}" for class_name, name in lines], files)
    slow = [candidates(class_name, name, files, set(classes)) for class_name, name in lines]
    assert {len(one) for one in slow} >= {0, 1, 2}
    for position, expected in enumerate(slow):
        assert found.found[position] == (Path("root", expected[0]) if len(expected) == 1 else None)
        assert set(found.ambiguous.get(position, ())) == (set(expected) if len(expected) > 1 else set())


def test_files_and_frame_folders_on_disk(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "videos", "1.webm", "2/000001.jpg", "2/000002.jpg", "notes/3.txt")
    (root / "4.webm").symlink_to(root / "gone.webm")
    listed = read_lists(write_lists(tmp_path / "lists", train=[f"train0/{k}" for k in (1, 2, 3, 4)]))
    matches = match_videos(listed, root)
    assert matches.found == (root / "1.webm", root / "2", None, None)
    assert matches.num_files == 2
    assert match_videos(listed, tmp_path / "nowhere").found == (None,) * 4


def test_as_many_lines_as_the_largest_list(tmp_path: Path) -> None:
    number = 67_013
    write_lists(tmp_path, train=[f"train{k % 64}/v_{k}" for k in range(number)])
    begun = time.process_time()
    listed = read_lists(tmp_path)
    matches = match_names(listed, Path("root"), [(f"V-{k}.webm",) for k in range(number)])
    seconds = time.process_time() - begun
    assert all(path is not None for path in matches.found)
    assert seconds < 10
