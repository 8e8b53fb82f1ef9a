"""Frames come back exactly, whatever the container: each frame carries its number in its pixels."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import pytest
import torch

from a2m2.errors import DecodeError
from a2m2.video import (
    VideoInfo,
    iter_frames,
    probe,
    read_clip,
    read_frames,
    read_frames_at,
    read_many,
    segment_random,
    write_clip,
)
from a2m2.video import container as container_module
from a2m2.video import reader as reader_module
from video_fixtures import encode, numbered_frames, numbers_in, remux

NUM_FRAMES = 40
FRAMES = numbered_frames(NUM_FRAMES)
WRITTEN = [
    pytest.param("mp4", 0, "h264", id="mp4"),
    pytest.param("mp4", 3, "h264", id="mp4-b-frames"),
    pytest.param("mov", 3, "h264", id="mov-b-frames"),
    pytest.param("mkv", 3, "h264", id="mkv-b-frames"),
    pytest.param("avi", 0, "mpeg4", id="avi"),
    pytest.param("avi", 2, "mpeg4", id="avi-b-frames"),
    pytest.param("webm", 0, "vp9", id="webm"),
    pytest.param("gif", 0, "gif", id="gif"),
]
ENCODED = [
    pytest.param("mpeg4.mp4", "mpeg4", {"bf": "2"}, "yuv420p", id="mpeg4-in-mp4"),
    pytest.param("h264.avi", "libx264", {"bf": "2", "preset": "veryfast"}, "yuv420p", id="h264-in-avi"),
    pytest.param(
        "vp8.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "10"}, "yuv420p", id="vp8-hidden"
    ),
    pytest.param("mjpeg.avi", "mjpeg", {}, "yuvj420p", id="mjpeg-in-avi"),
    pytest.param("ffv1.mkv", "ffv1", {}, "yuv420p", id="ffv1-in-mkv"),
    pytest.param("mpeg2.mpg", "mpeg2video", {"bf": "2"}, "yuv420p", id="mpeg2-in-mpg"),
    pytest.param("yuv444.mp4", "libx264", {"preset": "veryfast"}, "yuv444p10le", id="h264-444-10-bit"),
]


def assert_exact(path: Path, num_frames: int = NUM_FRAMES) -> None:
    everything = read_frames(path, range(num_frames))
    assert numbers_in(everything.frames) == list(range(num_frames))
    assert everything.frame_index.tolist() == list(range(num_frames))
    assert bool((everything.pts_seconds.diff() > 0).all())
    few = read_frames(path, [num_frames - 1, 3, 17, 3, 0])
    assert numbers_in(few.frames) == [num_frames - 1, 3, 17, 3, 0]
    assert torch.equal(few.frames, everything.frames[few.frame_index])
    assert torch.equal(few.pts_seconds, everything.pts_seconds[few.frame_index])
    clip = read_clip(path, num_frames=8)
    assert numbers_in(clip.frames) == clip.frame_index.tolist()
    assert [frame.frame_index for frame in iter_frames(path, stride=7)] == list(range(0, num_frames, 7))
    for frame in iter_frames(path, stride=7):
        assert torch.equal(frame.picture, everything.frames[frame.frame_index])
        assert frame.seconds == float(everything.pts_seconds[frame.frame_index])


@pytest.mark.parametrize(("suffix", "num_b_frames", "codec"), WRITTEN)
def test_frames_are_exact(tmp_path: Path, suffix: str, num_b_frames: int, codec: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_clip(path, FRAMES, fps=20, num_b_frames=num_b_frames, preset="veryfast")
    assert_exact(path)
    rounding = {"gif": 0.005, "mkv": 0.0005, "webm": 0.0005}.get(suffix, 1e-9)
    clip = read_frames(path, range(NUM_FRAMES))
    torch.testing.assert_close(
        clip.pts_seconds, torch.arange(NUM_FRAMES, dtype=torch.float64) / 20, atol=rounding, rtol=0
    )
    assert clip.duration_seconds == pytest.approx(2.0, abs=2 * rounding)
    info = probe(path)
    assert (info.num_frames, info.width, info.height, info.rotation) == (NUM_FRAMES, 64, 64, 0)
    assert info.codec == codec
    assert info.average_fps == pytest.approx(20, rel=0.01)
    assert not info.is_variable_rate


@pytest.mark.parametrize(("name", "codec", "options", "pix_fmt"), ENCODED)
def test_other_codecs_are_exact(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], pix_fmt: str
) -> None:
    path = tmp_path / name
    encode(path, FRAMES, codec=codec, options=options, pix_fmt=pix_fmt)
    assert_exact(path)
    assert read_frames(path, [5]).pts_seconds.tolist() == pytest.approx([0.2])
    assert probe(path).duration_seconds == pytest.approx(1.6)


def test_b_frames_are_really_there(tmp_path: Path) -> None:
    for suffix in ("mp4", "avi"):
        path = tmp_path / f"clip.{suffix}"
        write_clip(path, FRAMES, num_b_frames=2, preset="veryfast")
        with av.open(str(path)) as file:
            assert any(frame.pict_type == 3 for frame in file.decode(video=0)), suffix


@pytest.mark.parametrize("suffix", ["ts", "flv", "3gp"])
def test_other_containers_are_exact(tmp_path: Path, suffix: str) -> None:
    write_clip(tmp_path / "clip.mp4", FRAMES, num_b_frames=2, preset="veryfast")
    remux(tmp_path / "clip.mp4", tmp_path / f"clip.{suffix}")
    assert_exact(tmp_path / f"clip.{suffix}")


@pytest.mark.parametrize(
    "flags", ["faststart", "frag_keyframe+empty_moov", "frag_every_frame+empty_moov+default_base_moof"]
)
def test_layouts_of_mp4_are_exact(tmp_path: Path, flags: str) -> None:
    write_clip(tmp_path / "clip.mp4", FRAMES, num_b_frames=2, preset="veryfast")
    remux(tmp_path / "clip.mp4", tmp_path / "other.mp4", muxer={"movflags": flags})
    assert_exact(tmp_path / "other.mp4")


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "gif"])
def test_variable_rate_keeps_every_time(tmp_path: Path, suffix: str) -> None:
    steps = torch.tensor([0.03, 0.1, 0.06, 0.25]).double().repeat(10)
    pts_seconds = torch.cat([torch.zeros(1).double(), steps.cumsum(0)[:-1]])
    path = tmp_path / f"clip.{suffix}"
    write_clip(path, FRAMES, pts_seconds=pts_seconds.tolist(), num_b_frames=2 * (suffix == "mp4"))
    clip = read_frames(path, range(NUM_FRAMES))
    assert numbers_in(clip.frames) == list(range(NUM_FRAMES))
    torch.testing.assert_close(clip.pts_seconds, pts_seconds, atol=1e-5, rtol=0)
    assert probe(path).is_variable_rate
    wanted = [0.0, 0.029, 0.0301, 0.5, 4.0]
    shown = [max(k for k in range(NUM_FRAMES) if pts_seconds[k] <= moment + 1e-6) for moment in wanted]
    assert numbers_in(read_frames_at(path, wanted).frames) == shown


def test_times_of_frames_find_these_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES, fps=30)
    moments = [k / 30 for k in range(NUM_FRAMES)]
    assert numbers_in(read_frames_at(path, moments).frames) == list(range(NUM_FRAMES))
    just_before = [k / 30 - 1e-4 for k in range(1, NUM_FRAMES)]
    assert numbers_in(read_frames_at(path, just_before).frames) == list(range(NUM_FRAMES - 1))
    assert numbers_in(read_frames_at(path, torch.tensor([NUM_FRAMES / 30])).frames) == [NUM_FRAMES - 1]


def test_short_clips_repeat_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES[:3])
    assert numbers_in(read_clip(path, num_frames=8).frames) == [0, 0, 0, 1, 1, 2, 2, 2]
    assert read_clip(path, num_frames=8, policy="uniform").frame_index.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    write_clip(path, FRAMES[7:8], fps=10)
    clip = read_clip(path, num_frames=4)
    assert numbers_in(clip.frames) == [7] * 4
    assert clip.pts_seconds.tolist() == [0.0] * 4
    assert clip.duration_seconds == pytest.approx(0.1)


def test_policies_choose_and_generators_decide(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES)
    assert read_clip(path, num_frames=4).frame_index.tolist() == [5, 15, 25, 35]
    assert read_clip(path, num_frames=4, policy="uniform").frame_index.tolist() == [0, 13, 26, 39]

    def random(seed: int) -> list[int]:
        source = torch.Generator().manual_seed(seed)
        clip = read_clip(path, num_frames=4, policy="segment_random", generator=source)
        assert numbers_in(clip.frames) == clip.frame_index.tolist()
        return clip.frame_index.tolist()

    assert random(1) == random(1)
    assert random(1) != random(2)


def test_nothing_global_is_left_changed(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES)
    before = (av.logging.get_level(), av.logging.get_skip_repeated(), torch.get_rng_state())
    read_clip(path, num_frames=4)
    with pytest.raises(DecodeError, match="no such file"):
        read_clip(tmp_path / "none.mp4", num_frames=4)
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_long_files_are_read_again_instead_of_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES, num_b_frames=2, preset="veryfast")
    kept = read_clip(path, num_frames=8)
    monkeypatch.setattr(container_module, "_MAX_KEPT_BYTES", 100)
    assert torch.equal(read_clip(path, num_frames=8).frames, kept.frames)
    assert_exact(path)


def write_with_a_hidden_picture(path: Path) -> None:
    """MPEG-4 whose frame 20 is stored as "nothing changed" (vop_coded = 0), for which no picture is shown."""
    whole = path.with_name("whole.mp4")
    encode(whole, FRAMES, codec="mpeg4")
    with av.open(str(whole)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for position, packet in enumerate(old.demux(video=0)):
            if packet.dts is None:
                continue
            if position == 20:
                # Kept: start code, type, time (5 bits at 25 frames a second) and a marker; then 0 and
                # stuffing.
                plane = bytes(packet)
                hidden = av.Packet(plane[:5] + bytes([plane[5] & 0b1100_0000 | 0b0000_1111]))
                hidden.pts, hidden.dts, hidden.duration = packet.pts, packet.dts, packet.duration
                hidden.time_base = packet.time_base
                packet = hidden
            packet.stream = stream
            new.mux(packet)


def test_pictures_that_are_never_shown_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_with_a_hidden_picture(path)
    clip = read_clip(path, num_frames=39)
    assert clip.frame_index.tolist() == list(range(39))
    # Frame 21 was coded as a change to frame 20, so only the numbers before are what they were.
    assert numbers_in(clip.frames)[:20] == list(range(20))
    assert clip.pts_seconds.tolist() == pytest.approx([k / 25 for k in range(40) if k != 20])
    assert probe(path).num_frames == 39
    with pytest.raises(ValueError, match=r"expected frame indices in 0\.\.38, got 39"):
        read_frames(path, [39])


def test_a_second_choice_draws_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_with_a_hidden_picture(path)
    source, reference = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    clip = read_clip(path, num_frames=5, policy="segment_random", generator=source)
    assert torch.equal(clip.frame_index, segment_random(39, 5, reference))
    assert torch.equal(source.get_state(), reference.get_state())


def test_read_many_keeps_order_and_gives_errors(tmp_path: Path) -> None:
    paths = []
    for k in range(9):
        path = tmp_path / f"{k}.mp4"
        write_clip(path, FRAMES[k : k + 20])
        paths.append(path)
    paths[4].write_bytes(b"no video")
    alone = [read_clip(path, num_frames=4) for path in paths if path != paths[4]]
    for num_workers in (1, 3):
        results = list(read_many(paths, num_frames=4, num_workers=num_workers))
        assert [path for path, _ in results] == paths
        error = results.pop(4)[1]
        assert isinstance(error, DecodeError)
        assert error.path == paths[4]
        for (_, clip), expected in zip(results, alone, strict=True):
            assert torch.equal(clip.frames, expected.frames)


def test_read_many_draws_by_seed_and_place(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES)

    def drawn(seed: int, num_workers: int) -> list[list[int]]:
        clips = read_many(
            [path] * 6, num_frames=4, policy="segment_random", seed=seed, num_workers=num_workers
        )
        return [clip.frame_index.tolist() for _, clip in clips]

    assert drawn(0, 1) == drawn(0, 4)
    assert drawn(0, 1) != drawn(1, 1)
    assert len({tuple(index) for index in drawn(0, 1)}) > 1


def test_read_many_stops_when_the_caller_does(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES)
    before = threading.active_count()
    clips = read_many([path] * 50, num_frames=4, num_workers=2)
    next(clips)
    clips.close()
    assert threading.active_count() == before


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES[:10], fps=10)
    with pytest.raises(ValueError, match=r"expected frame indices in 0\.\.9, got 10"):
        read_frames(path, [0, 10])
    with pytest.raises(ValueError, match=r"expected frame indices in 0\.\.9, got -1"):
        read_frames(path, [-1])
    with pytest.raises(ValueError, match=r"expected at least one frame index, got none"):
        read_frames(path, [])
    with pytest.raises(ValueError, match=r"expected seconds in 0\.\.1, got 1\.5"):
        read_frames_at(path, [0.0, 1.5])
    with pytest.raises(ValueError, match=r"expected seconds in 0\.\.1, got nan"):
        read_frames_at(path, [float("nan")])
    with pytest.raises(ValueError, match=r"expected at least one time in seconds, got none"):
        read_frames_at(path, [])
    with pytest.raises(ValueError, match=r"expected counts >= 1, got num_frames=10 and 0 wanted"):
        read_clip(path, num_frames=0)
    with pytest.raises(ValueError, match=r"expected stride >= 1, got 0"):
        iter_frames(path, stride=0)
    with pytest.raises(ValueError, match=r"expected num_workers >= 1, got 0"):
        next(read_many([path], num_frames=2, num_workers=0))


def test_probe_tells_all(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, numbered_frames(12, height=48, width=96), fps=24, rotation=90)
    assert probe(path) == VideoInfo(
        num_frames=12,
        duration_seconds=0.5,
        average_fps=24.0,
        width=48,
        height=96,
        rotation=90,
        codec="h264",
        is_variable_rate=False,
    )


@pytest.mark.parametrize(
    ("suffix", "num_b_frames"), [("mp4", 0), ("mp4", 3), ("mkv", 3), ("webm", 0), ("gif", 0)]
)
def test_what_is_needed_is_what_everything_gives(tmp_path: Path, suffix: str, num_b_frames: int) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_clip(path, FRAMES, num_b_frames=num_b_frames, keyframe_interval=9, preset="veryfast")
    for index in ([0], [39], [8, 9, 10], [30, 5, 5, 17]):
        needed = read_frames(path, index, check="needed")
        assert numbers_in(needed.frames) == index
        assert torch.equal(needed.frames, read_frames(path, index).frames)
        assert torch.equal(needed.pts_seconds, read_frames(path, index).pts_seconds)


@pytest.mark.parametrize("most", [1, 3 * 64 * 64, 10**9])
def test_frames_do_not_depend_on_how_many_wait_for_their_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES)
    converted: list[int] = []
    convert = reader_module._converted

    def counted(path, converter, waiting, *rest):  # type: ignore[no-untyped-def]
        converted.append(len(waiting))
        return convert(path, converter, waiting, *rest)

    monkeypatch.setattr(reader_module, "_MOST_WAITING_PIXELS", most)
    monkeypatch.setattr(reader_module, "_converted", counted)
    wanted = [7, 2, 2, 19, 0, 11, 30, 7]
    assert numbers_in(read_frames(path, wanted).frames) == wanted
    assert converted == {1: [1] * 6 + [0], 3 * 64 * 64: [3, 3, 0], 10**9: [6]}[most]


def test_groups_without_wanted_frames_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, FRAMES, keyframe_interval=10, preset="veryfast")
    decoded = []
    decode = container_module.VideoFile._decode

    def counted(self, packet, position):  # type: ignore[no-untyped-def]
        decoded.append(packet)
        return decode(self, packet, position)

    monkeypatch.setattr(container_module.VideoFile, "_decode", counted)
    read_frames(path, [3, 35], check="all")
    assert len(decoded) == NUM_FRAMES + 1
    decoded.clear()
    assert numbers_in(read_frames(path, [3, 35], check="needed").frames) == [3, 35]
    assert len(decoded) <= 10
