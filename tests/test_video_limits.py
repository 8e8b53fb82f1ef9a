"""Files that claim too much, hang, or are no files: refused with the claim and the limit, in little memory."""

from __future__ import annotations

import gc
import json
import os
import random
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import pytest
import torch

from a2m2.errors import DecodeError
from a2m2.video import container as container_module
from a2m2.video import limits, probe, read_clip, read_frames, write_clip
from video_fixtures import encode, numbered_frames, remux

NUM_FRAMES = 12
MAX_GROWTH_MIB = 256.0
READ = """
import json, sys
from a2m2.bench.memory import peak_mib
from a2m2.errors import DecodeError
from a2m2.video import probe, read_clip
read_clip(sys.argv[1], num_frames=2)
before, causes = peak_mib(), []
for path in sys.argv[2:]:
    for read in (probe, lambda path: read_clip(path, num_frames=2)):
        try:
            read(path)
            causes.append("read")
        except DecodeError as error:
            causes.append(str(error))
print(json.dumps([peak_mib() - before, causes]))
"""


def patched(data: bytes, name: bytes, at: int, form: str, *values: int) -> bytes:
    """``data`` with numbers written ``at`` so many bytes after the first ``name``."""
    changed = bytearray(data)
    struct.pack_into(form, changed, data.index(name) + len(name) + at, *values)
    return bytes(changed)


def png(width: int, height: int, *extra: tuple[bytes, bytes]) -> bytes:
    """A picture of 8x8 pixels that claims a size, with chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(8 * (1 + 3 * 8)))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def jpeg(width: int, height: int) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width = encoder.height = 64
    encoder.pix_fmt, encoder.framerate = "yuvj420p", 25
    picture = av.VideoFrame(64, 64, "yuvj420p")
    data = b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
    return patched(data, b"\xff\xc0", 3, ">HH", height, width)


def in_folder(folder: Path, data: bytes) -> Path:
    folder.mkdir()
    (folder / "1.png").write_bytes(data)
    return folder


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.timeout(120)
def test_claims_beyond_the_limits_are_refused_in_little_memory(tmp_path: Path) -> None:
    for suffix in ("mp4", "avi", "gif"):
        write_clip(tmp_path / f"good.{suffix}", numbered_frames(NUM_FRAMES))
    fragments = tmp_path / "fragments.mp4"
    remux(
        tmp_path / "good.mp4",
        fragments,
        muxer={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    )
    mp4, avi = (tmp_path / "good.mp4").read_bytes(), (tmp_path / "good.avi").read_bytes()

    def listing(num_frames: int) -> bytes:
        data = patched(mp4, b"stsz", 4, ">II", 1, num_frames)
        return patched(patched(data, b"stts", 8, ">I", num_frames), b"stsc", 12, ">I", num_frames)

    def wide(width: int) -> bytes:
        at = mp4.index(b"avc1", mp4.index(b"stsd"))
        return mp4[:at] + patched(mp4[at:], b"avc1", 24, ">HH", width, width)

    def run(num_frames: int) -> bytes:
        return patched(fragments.read_bytes(), b"trun", 0, ">II", 1, num_frames)

    def sides(width: int, height: int) -> str:
        return f"it claims frames of {width}x{height} pixels, more than the limit of 67,108,864 pixels"

    def many(count: int, what: str, limit: str) -> str:
        return f"it claims {count:,} {what}, more than the limit of {limit}"

    gif = patched((tmp_path / "good.gif").read_bytes(), b"GIF89a", 0, "<HH", 65535, 65535)
    expected = {
        written(tmp_path / "wide.avi", patched(avi, b"strf", 8, "<ii", 100_000, 100_000)): sides(
            100_000, 100_000
        ),
        written(tmp_path / "wide.mp4", wide(65535)): sides(65535, 65535),
        written(tmp_path / "wide.gif", gif): sides(65535, 65535),
        in_folder(tmp_path / "png", png(100_000, 100_000)): f"1.png: {sides(100_000, 100_000)}",
        in_folder(tmp_path / "jpg", jpeg(65500, 65500)): f"1.png: {sides(65500, 65500)}",
        written(tmp_path / "long.mp4", listing(10**9)): many(10**9, "packets", "16,777,216"),
        written(tmp_path / "longer.mp4", listing(10**8)): many(10**8, "packets", "16,777,216"),
        written(tmp_path / "run.mp4", run(10**8)): many(10**8, "packets", "16,777,216"),
        written(tmp_path / "long.avi", patched(avi, b"strh", 36, "<I", 10**9)): many(
            10**9, "frames", "4,194,304"
        ),
    }
    growth, causes = read_apart(tmp_path / "good.mp4", list(expected))
    for cause, (path, words) in zip(
        causes, ((p, w) for p, w in expected.items() for _ in range(2)), strict=True
    ):
        assert cause == f"cannot decode {path}: {words}; {limits.LIMITED}"
    assert growth < MAX_GROWTH_MIB


@pytest.mark.timeout(120)
def test_packed_texts_and_profiles_stay_packed(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(600)) + packer.flush()
    paths = [
        in_folder(tmp_path / "profile", png(8, 8, (b"iCCP", b"a\0\0" + packed))),
        in_folder(tmp_path / "text", png(8, 8, (b"zTXt", b"a\0\0" + packed))),
    ]
    write_clip(tmp_path / "good.mp4", numbered_frames(NUM_FRAMES))
    growth, causes = read_apart(tmp_path / "good.mp4", paths)
    assert causes == ["read"] * 4
    assert growth < MAX_GROWTH_MIB


def read_apart(good: Path, paths: list[Path]) -> tuple[float, list[str]]:
    """Growth of the peak memory of a process that reads these [MiB], and what comes of each, read twice."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(good), *map(str, paths)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    growth, causes = json.loads(done.stdout)
    return growth, causes


def test_pictures_with_profiles_are_read_and_let_go(tmp_path: Path) -> None:
    profile = (b"iCCP", b"a\0\0" + zlib.compress(bytes(500)))
    plain = read_clip(in_folder(tmp_path / "plain", png(8, 8)), num_frames=1)
    clip = read_clip(in_folder(tmp_path / "profile", png(8, 8, profile)), num_frames=1)
    gc.collect()
    assert torch.equal(clip.frames, plain.frames)


@pytest.mark.parametrize("name", ["mp4", "mkv", "avi", "webm", "gif", "hevc.mp4", "png.mov"])
def test_every_decoder_keeps_to_the_limit_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / f"clip.{name}"
    if name == "hevc.mp4":
        x265 = {"x265-params": "log-level=none"}
        encode(path, numbered_frames(NUM_FRAMES), codec="libx265", options=x265)
    elif name == "png.mov":
        encode(path, numbered_frames(NUM_FRAMES), codec="png", pix_fmt="rgb24")
    else:
        write_clip(path, numbered_frames(NUM_FRAMES))
    # A decoder's own margins around the picture count, too: those of mpeg4 are wider than this picture.
    monkeypatch.setattr(limits, "MAX_FRAME_PIXELS", 320 * 320)
    assert probe(path).num_frames == NUM_FRAMES
    monkeypatch.setattr(limits, "MAX_FRAME_PIXELS", 64 * 64 - 1)
    message = rf"clip\.{name}: it claims frames of \d+x\d+ pixels, more than the limit of 4,095 pixels"
    with pytest.raises(DecodeError, match=message):
        read_clip(path, num_frames=2)


def test_counts_and_bytes_beyond_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, numbered_frames(NUM_FRAMES))
    monkeypatch.setattr(limits, "MAX_CLIP_BYTES", 3 * 2 * 64 * 64)
    assert len(read_clip(path, num_frames=2).frames) == 2
    message = (
        r"clip\.mkv: 3 frames of 64x64 pixels take 36,864 bytes, more than the limit of 24,576 for a clip"
    )
    with pytest.raises(DecodeError, match=message):
        read_clip(path, num_frames=3)
    monkeypatch.setattr(limits, "MAX_FRAMES", NUM_FRAMES - 1)
    with pytest.raises(DecodeError, match=r"clip\.mkv: it claims 12 frames, more than the limit of 11;"):
        read_clip(path, num_frames=1)
    folder = in_folder(tmp_path / "folder", png(8, 8))
    monkeypatch.setattr(limits, "MAX_PICTURE_BYTES", 10)
    with pytest.raises(DecodeError, match=r"1\.png: it has \d+ bytes, more than the limit of 10;"):
        read_clip(folder, num_frames=1)


def test_tables_beyond_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, numbered_frames(NUM_FRAMES))
    data = path.read_bytes()
    box = struct.pack(">I4s", 8, b"free")
    monkeypatch.setattr(limits, "MAX_HEADERS", 100)
    with pytest.raises(DecodeError, match=r"it has more boxes than the limit of 100;"):
        read_clip(written(path, data + 101 * box), num_frames=1)
    packed = patched(data, b"moov", 4, "4s", b"cmov")  # type: ignore[arg-type]
    with pytest.raises(DecodeError, match=r"its tables are packed, which is not read;"):
        read_clip(written(path, packed), num_frames=1)
    monkeypatch.setattr(limits, "MAX_HEADER_BYTES", 100)
    with pytest.raises(DecodeError, match=r"its tables take \d+ bytes, more than the limit of 100;"):
        read_clip(written(path, data), num_frames=1)


def test_a_decoder_that_gives_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, numbered_frames(NUM_FRAMES))
    clock = iter(range(0, 10**6, 5))
    monkeypatch.setattr(container_module, "monotonic", lambda: next(clock))
    assert len(read_frames(path, [0, 11]).frames) == 2  # slow, but frames come
    monkeypatch.setattr(container_module.VideoFile, "_decode", lambda *_: [])
    with pytest.raises(DecodeError, match=r"clip\.mp4: no frame came out in \d+ seconds;"):
        read_frames(path, [0])
    monkeypatch.setattr(limits, "MAX_SECONDS_WITHOUT_FRAME", 1e-9)
    with pytest.raises(DecodeError, match=r"clip\.mp4: it cannot be opened in 1e-09 seconds;"):
        read_frames(path, [0])


@pytest.mark.timeout(20)
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "pipe.mp4")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket.mp4"))
    for path in (tmp_path / "pipe.mp4", tmp_path / "link.mp4", tmp_path / "socket.mp4", Path("/dev/zero")):
        for read in (probe, lambda path: read_clip(path, num_frames=1)):
            with pytest.raises(DecodeError, match=rf"{path}: it is neither a file nor a folder"):
                read(path)
    server.close()
    folder = in_folder(tmp_path / "folder", png(8, 8))
    os.mkfifo(folder / "2.png")
    with pytest.raises(DecodeError, match=r"folder: 2\.png cannot be read \(it is no file\)"):
        read_clip(folder, num_frames=2)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_any_bytes_end_in_frames_or_an_error(tmp_path: Path, suffix: str) -> None:
    """Flipped bits, cuts, and parts of two clips put together."""
    dice = random.Random(suffix)
    good = []
    for name, size in (("a", 64), ("b", 96)):
        write_clip(tmp_path / f"{name}.{suffix}", numbered_frames(NUM_FRAMES, height=size, width=size))
        good.append((tmp_path / f"{name}.{suffix}").read_bytes())
    path = tmp_path / f"damaged.{suffix}"
    num_refused = 0
    for _ in range(60):
        data = bytearray(dice.choice(good))
        match dice.choice(["flip", "flip", "cut", "splice", "repeat"]):
            case "flip":
                for _ in range(dice.choice([1, 8, 64])):
                    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            case "cut":
                del data[dice.randrange(len(data)) :]
            case "splice":
                other = dice.choice(good)
                data[dice.randrange(len(data)) :] = other[dice.randrange(len(other)) :]
            case "repeat":
                start = dice.randrange(len(data))
                data[start:start] = data[start : start + dice.choice([1, 4, 100, 1000])]
        path.write_bytes(data)
        for check in ("all", "needed"):
            try:
                clip = read_clip(path, num_frames=4, check=check)  # type: ignore[arg-type]
            except DecodeError as error:
                assert str(error).startswith(f"cannot decode {path}: ")
                num_refused += 1
            else:
                assert clip.frames.shape[:2] == (4, 3)
    assert num_refused > 30
