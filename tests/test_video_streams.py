"""Which stream is the video, which way is up, and where the video begins."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import av
import pytest
import torch
from av.stream import Disposition
from PIL import Image

from a2m2.errors import DecodeError
from a2m2.video import iter_frames, probe, read_clip, read_frames, write_clip
from a2m2.video.live import LiveStream
from video_fixtures import encode, numbered_frames, numbers_in, remux, silence

FRAMES = numbered_frames(12, height=48, width=96)
# Every way a picture can lie: turned counter-clockwise by the file's word, then mirrored.
ORIENTATIONS = [
    (degrees, hflip, vflip)
    for degrees in (0, 90, 180, 270)
    for hflip, vflip in ((0, 0), (1, 0), (0, 1), (1, 1))
]


def write_streams(path: Path, sizes: list[int], defaults: list[bool]) -> None:
    """Square streams of numbered frames that start at 10 times their position, some marked as default."""
    with av.open(str(path), "w") as container:
        streams = []
        for size, default in zip(sizes, defaults, strict=True):
            stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
            stream.height = stream.width = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1
            stream.disposition = Disposition.default if default else Disposition.forced
            streams.append(stream)
        for position, stream in enumerate(streams):
            frames = numbered_frames(10 * len(sizes), height=stream.height, width=stream.width)
            for picture in (
                frames[10 * position : 10 * position + 10].permute(0, 2, 3, 1).contiguous().numpy()
            ):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("sizes", "defaults", "chosen"),
    [
        pytest.param([32, 64, 48], [False, False, False], 1, id="largest"),
        pytest.param([32, 64, 48], [False, False, True], 2, id="default-before-largest"),
        pytest.param([32, 64, 48], [True, False, True], 2, id="largest-default"),
        pytest.param([64, 32, 64], [True, True, True], 0, id="first-of-equals"),
    ],
)
def test_the_default_stream_else_the_largest(
    tmp_path: Path, sizes: list[int], defaults: list[bool], chosen: int
) -> None:
    path = tmp_path / "clip.mkv"
    write_streams(path, sizes, defaults)
    clip = read_frames(path, range(10))
    assert clip.frames.shape[-1] == sizes[chosen]
    assert numbers_in(clip.frames) == list(range(10 * chosen, 10 * chosen + 10))


def write_with_cover(path: Path, *, film: bool) -> None:
    """A file with cover art four times as large as the film, if there is one at all."""
    picture = io.BytesIO()
    Image.new("RGB", (400, 200), "red").save(picture, "JPEG")
    write_clip(path.with_name("film.mp4"), FRAMES)
    with av.open(str(path.with_name("film.mp4"))) as old, av.open(str(path), "w", format="mp4") as new:
        stream = new.add_stream_from_template(old.streams.video[0]) if film else None
        cover = new.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 400, 200, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        if stream is None:
            silence(new)
        else:
            for packet in old.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
        packet = av.Packet(picture.getvalue())
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        new.mux(packet)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    write_with_cover(tmp_path / "clip.mp4", film=True)
    assert numbers_in(read_frames(tmp_path / "clip.mp4", range(12)).frames) == list(range(12))


def test_a_song_with_cover_art_is_no_video(tmp_path: Path) -> None:
    write_with_cover(tmp_path / "song.mp4", film=False)
    with pytest.raises(
        DecodeError, match=r"song\.mp4: it has no video stream, only audio, video; give a file"
    ):
        read_clip(tmp_path / "song.mp4", num_frames=2)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_four_rotations_agree(tmp_path: Path, suffix: str) -> None:
    clips = {}
    for quarter, rotation in enumerate((0, 90, 180, 270)):
        path = tmp_path / f"{rotation}.{suffix}"
        # Stored turned clockwise, with the word that a player must turn it back counter-clockwise.
        write_clip(path, torch.rot90(FRAMES, -quarter, (2, 3)), rotation=rotation, crf=1)
        clips[rotation] = read_frames(path, range(12))
        assert numbers_in(clips[rotation].frames) == list(range(12))
        info = probe(path)
        assert (info.rotation, info.height, info.width) == (rotation, 48, 96)
        assert all(frame.picture.shape == (3, 48, 96) for frame in iter_frames(path))
    for rotation in (90, 180, 270):
        difference = clips[rotation].frames.int() - clips[0].frames.int()
        assert float(difference.abs().float().mean()) < 3
    with av.open(str(tmp_path / f"90.{suffix}")) as file:  # the oracle: what FFmpeg says of its own file
        assert next(file.decode(video=0)).rotation == 90


@pytest.mark.parametrize(("degrees", "hflip", "vflip"), ORIENTATIONS)
def test_all_orientations(tmp_path: Path, degrees: int, hflip: int, vflip: int) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "crf": "5"})
        stream.height, stream.width, stream.pix_fmt = 48, 96, "yuv420p"
        stream.set_display_rotation(degrees, hflip=bool(hflip), vflip=bool(vflip))
        for picture in FRAMES.permute(0, 2, 3, 1).contiguous().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    expected = torch.rot90(FRAMES, degrees // 90, (2, 3))
    flipped = [axis for axis, flip in ((3, hflip), (2, vflip)) if flip]
    expected = expected.flip(flipped) if flipped else expected
    difference = read_frames(path, range(12)).frames.int() - expected.int()
    assert float(difference.abs().float().mean()) < 6


def test_a_slanted_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 48, 96, "yuv420p"
        stream.set_display_rotation(30)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(FRAMES[0].permute(1, 2, 0).numpy().copy())))
        container.mux(stream.encode(None))
    message = (
        r"cannot be turned upright \(expected a rotation by a multiple of 90 degrees, got 30\); encode it"
    )
    with pytest.raises(DecodeError, match=message):
        read_clip(path, num_frames=1)
    with pytest.raises(DecodeError, match=message):
        probe(path)


@pytest.mark.parametrize("num_b_frames", [0, 3])
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_frames_before_the_edit_list_are_not_shown(tmp_path: Path, suffix: str, num_b_frames: int) -> None:
    write_clip(tmp_path / "whole.mp4", numbered_frames(40), num_b_frames=num_b_frames, preset="veryfast")
    path = tmp_path / f"clip.{suffix}"
    remux(tmp_path / "whole.mp4", path, first=10, muxer={"avoid_negative_ts": "disabled"})
    with av.open(str(path)) as file:
        assert sum(packet.is_discard for packet in file.demux(video=0)) == 10
    clip = read_frames(path, range(30))
    assert numbers_in(clip.frames) == list(range(10, 40))
    assert clip.pts_seconds.tolist() == pytest.approx([k / 16 for k in range(30)])
    assert clip.duration_seconds == pytest.approx(30 / 16)
    assert probe(path).num_frames == 30


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_times_count_from_the_first_frame(tmp_path: Path, suffix: str) -> None:
    write_clip(tmp_path / "whole.mp4", numbered_frames(20), num_b_frames=2, preset="veryfast")
    path = tmp_path / f"late.{suffix}"
    remux(tmp_path / "whole.mp4", path, first=-32)
    clip = read_frames(path, range(20))
    assert numbers_in(clip.frames) == list(range(20))
    torch.testing.assert_close(
        clip.pts_seconds, torch.arange(20) / 16.0, atol=6e-4, rtol=0, check_dtype=False
    )


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "file:c.mp4", "50% %d [1].mp4", "-y.mp4", "ü x|y?.mp4", "no suffix"]
)
def test_names_that_mean_something_to_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_clip(tmp_path / "plain.mp4", FRAMES)
    shutil.copy(tmp_path / "plain.mp4", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert read_clip(name, num_frames=3).frame_index.tolist() == [2, 6, 10]


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.mp4")
    write_clip(tmp_path / "plain.mp4", FRAMES)
    shutil.copy(tmp_path / "plain.mp4", path)
    assert read_clip(path, num_frames=3).frame_index.tolist() == [2, 6, 10]


def test_titles_that_are_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a plain title"
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 48, 96, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(FRAMES[0].permute(1, 2, 0).numpy().copy())))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert b"a plain title" in data
    path.write_bytes(data.replace(b"a plain title", b"a plain \xff\xfe\xfd\xfcl"))
    assert probe(path).num_frames == 1
    stream = LiveStream(f"file://{path}", wait=True)
    assert len(list(stream.frames())) == 1
    stream.close()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.mp4", "ffconcat version 1.0\nfile 'plain.mp4'\n"),
        ("list.mkv", "#EXTM3U\n#EXTINF:3,\nplain.mp4\n"),
    ],
)
def test_a_list_does_not_open_other_files(tmp_path: Path, name: str, text: str) -> None:
    write_clip(tmp_path / "plain.mp4", FRAMES)
    (tmp_path / name).write_text(text)
    with pytest.raises(DecodeError, match=rf"{name}: (it is a list of files|FFmpeg finds no video in it)"):
        read_clip(tmp_path / name, num_frames=2)


def test_a_size_that_changes_is_refused(tmp_path: Path) -> None:
    """VP9 may change the size at any key frame: two videos of different size, one after the other."""
    path = tmp_path / "joined.webm"
    for name, size in (("a", 48), ("b", 64)):
        write_clip(tmp_path / f"{name}.webm", numbered_frames(5, height=size, width=size), fps=10)
    with av.open(str(path), "w") as new:
        with av.open(str(tmp_path / "a.webm")) as template:
            stream = new.add_stream_from_template(template.streams.video[0])
        for position, name in enumerate("ab"):
            with av.open(str(tmp_path / f"{name}.webm")) as old:
                for packet in old.demux(video=0):
                    if packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + 500 * position, packet.dts + 500 * position
                        packet.stream = stream
                        new.mux(packet)
    with pytest.raises(
        DecodeError, match=r"joined\.webm: the picture size changes at frame 5; encode it again"
    ):
        read_clip(path, num_frames=2)


@pytest.mark.parametrize(
    ("codec", "option"), [("libx264", "x264-params"), ("libx265", "x265-params")], ids=["h264", "hevc"]
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_leading_frames_that_cannot_be_shown_are_not_counted(
    tmp_path: Path, suffix: str, codec: str, option: str
) -> None:
    """Cut before a key frame that earlier frames were coded from as well: these build on what was cut away."""
    settings = "keyint=10:min-keyint=10:open-gop=1:bframes=3:scenecut=0:b-adapt=0:log-level=none"
    encode(tmp_path / "whole.mp4", numbered_frames(40), codec=codec, options={option: settings})
    with av.open(str(tmp_path / "whole.mp4")) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    key = [k for k, packet in enumerate(packets) if packet.is_keyframe][1]
    assert any(packet.pts < packets[key].pts for packet in packets[key:])
    path = tmp_path / f"cut.{suffix}"
    remux(tmp_path / "whole.mp4", path, without=tuple(range(key)))
    clip = read_frames(path, range(30))
    assert numbers_in(clip.frames) == list(range(10, 40))
    assert clip.pts_seconds.tolist() == pytest.approx([k / 25 for k in range(30)])
    assert probe(path).num_frames == 30
    assert read_clip(path, num_frames=3).frame_index.tolist() == [5, 15, 25]
