"""A folder of numbered pictures is a video, and a folder that is nearly one is refused with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2m2.errors import DecodeError
from a2m2.video import VideoInfo, iter_frames, probe, read_clip, read_frames, read_frames_at
from video_fixtures import numbered_frames, numbers_in

FRAMES = numbered_frames(12)


def write_pictures(folder: Path, names: list[str], **options: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name, picture in zip(names, FRAMES.permute(0, 2, 3, 1).numpy(), strict=False):
        Image.fromarray(picture).save(folder / name, **options)
    return folder


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "PNG"])
@pytest.mark.parametrize("pattern", ["{}", "{:05d}", "img_{:05d}", "take2-cam1_{}"])
def test_frames_are_exact_in_natural_order(tmp_path: Path, pattern: str, suffix: str) -> None:
    folder = write_pictures(tmp_path / "clip", [f"{pattern.format(k)}.{suffix}" for k in range(3, 15)])
    clip = read_frames(folder, [*range(12), 4])
    assert numbers_in(clip.frames) == [*range(12), 4]
    assert read_clip(folder, num_frames=4).frame_index.tolist() == [1, 4, 7, 10]
    assert [numbers_in(frame.picture[None])[0] for frame in iter_frames(folder, stride=5)] == [0, 5, 10]


def test_png_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (33, 41, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    assert np.array_equal(read_frames(tmp_path, [0]).frames[0].permute(1, 2, 0).numpy(), pixels)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_png_of_any_kind(tmp_path: Path, mode: str) -> None:
    for k in range(3):
        gray = Image.fromarray(FRAMES[k, 0].numpy())
        wide = Image.fromarray(FRAMES[k, 0].numpy().astype(np.uint16) * 257)
        (wide if mode == "I;16" else gray.convert(mode)).save(tmp_path / f"{k}.png")
    assert numbers_in(read_frames(tmp_path, range(3)).frames) == [0, 1, 2]


def test_jpeg_agrees_with_another_reader(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([rows * 5, columns * 4, rows + columns], -1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.jpg", quality=95, subsampling=0)
    expected = np.asarray(Image.open(tmp_path / "0.jpg")).astype(int)
    difference = read_frames(tmp_path, [0]).frames[0].permute(1, 2, 0).numpy() - expected
    assert np.abs(difference).max() <= 3


def test_times_come_from_the_rate_given(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "clip", [f"{k}.jpg" for k in range(10)])
    clip = read_frames(folder, [0, 9], folder_fps=20)
    assert clip.pts_seconds.tolist() == [0.0, 0.45]
    assert clip.duration_seconds == 0.5
    assert read_frames_at(folder, [0.2], folder_fps=10).frame_index.tolist() == [2]
    assert [frame.seconds for frame in iter_frames(folder, stride=5, folder_fps=10)] == [0.0, 0.5]
    assert probe(folder) == VideoInfo(
        num_frames=10,
        duration_seconds=0.4,
        average_fps=25.0,
        width=64,
        height=64,
        rotation=0,
        codec="mjpeg",
        is_variable_rate=False,
    )
    with pytest.raises(ValueError, match=r"expected folder_fps > 0, got 0"):
        probe(folder, folder_fps=0)


def test_other_files_and_wrong_suffixes_do_not_matter(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "clip", [f"{k}.png" for k in range(4)])
    for name in ("notes.txt", "Thumbs.db", ".DS_Store", "._0.png", ".hidden.jpg"):
        (folder / name).write_bytes(b"x")
    (folder / "2.png").rename(folder / "2.jpg")  # still a PNG inside
    assert numbers_in(read_frames(folder, range(4)).frames) == [0, 1, 2, 3]


def refused(folder: Path, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read_clip(folder, num_frames=2)


def test_sequences_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"empty: the folder holds no jpg or png pictures; check the path$")
    gap = write_pictures(tmp_path / "gap", ["1.jpg", "2.jpg", "4.jpg"])
    refused(gap, r"gap: picture number 3 is missing between 1 and 4; copy the folder again, or renumber its")
    twice = write_pictures(tmp_path / "twice", ["1.jpg", "01.jpg"])
    refused(twice, r"twice: 01\.jpg and 1\.jpg have the same number; remove one of them$")
    mixed = write_pictures(tmp_path / "mixed", ["flow_x_1.jpg", "img_1.jpg"])
    refused(mixed, r"mixed: it mixes pictures named 'flow_x_' and 'img_'; keep one sequence in a folder$")
    unnumbered = write_pictures(tmp_path / "unnumbered", ["1.jpg", "cover.jpg"])
    refused(unnumbered, r"unnumbered: cover\.jpg has no number at its end; rename it or move it away$")


def test_pictures_that_are_damaged(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "clip", [f"{k}.jpg" for k in range(4)], quality=95)
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) // 2])
    refused(folder, r"clip: 2\.jpg is damaged \(.+\); copy or download it again, or leave it out$")
    (folder / "2.jpg").write_bytes(b"GIF89a")
    refused(folder, r"clip: 2\.jpg is neither JPEG nor PNG; copy or download it again, or leave it out$")
    (folder / "2.jpg").write_bytes(b"")
    refused(folder, r"clip: 2\.jpg is neither JPEG nor PNG; ")
    (folder / "2.jpg").unlink()
    (folder / "2.jpg").mkdir()
    refused(folder, r"clip: 2\.jpg cannot be read \(.*it is no file.*\); ")


def test_pictures_of_another_size(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "clip", [f"{k}.png" for k in range(3)])
    Image.new("RGB", (80, 64)).save(folder / "1.png")
    refused(folder, r"clip: 1\.png is 80x64, 0\.png is 64x64; make all pictures the same size$")


def test_a_damaged_picture_that_is_not_asked_for_is_still_damage(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "clip", [f"{k}.png" for k in range(4)])
    data = bytearray((folder / "3.png").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "3.png").write_bytes(data)
    with pytest.raises(DecodeError, match=r"clip: 3\.png is damaged"):
        read_frames(folder, [0])
