"""Pictures of cameras and phones: EXIF turns them upright and breaks nothing, nor do data that PyAV has no name for."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.codec import CodecContext
from PIL import Image, ImageOps
from torch import Tensor

from a2m2.errors import DecodeError
from a2m2.video import iter_frames, probe, read_clip, read_frames
from a2m2.video.metadata import exif_orientation
from a2m2.video.picture import UPRIGHT, Orientation, orientation_of
from a2m2.video.stream import VideoStream
from video_fixtures import numbered_frames, numbers_in

FRAMES = numbered_frames(3, height=48, width=96)
ORIENTATION, SHORT, LONG = 0x0112, 3, 4
# What was done to the picture before it was stored, by the value of the tag: `torch` functions of (…, row, column).
STORED = {
    1: lambda seen: seen,
    2: lambda seen: seen.flip(-1),
    3: lambda seen: torch.rot90(seen, 2, (-2, -1)),
    4: lambda seen: seen.flip(-2),
    5: lambda seen: seen.transpose(-2, -1),
    6: lambda seen: torch.rot90(seen, 1, (-2, -1)),  # a phone held upright: to be turned clockwise
    7: lambda seen: torch.rot90(seen, 2, (-2, -1)).transpose(-2, -1),
    8: lambda seen: torch.rot90(seen, -1, (-2, -1)),
}
ROTATIONS = {1: 0, 2: 180, 3: 180, 4: 0, 5: 270, 6: 270, 7: 90, 8: 90}


def tag(name: int, kind: int, count: int, value: int, order: str = "<") -> bytes:
    shape = "HHIHH" if kind == SHORT else "HHII"
    return struct.pack(order + shape, name, kind, count, value, *([0] if kind == SHORT else []))


def tiff(*tags: bytes, order: str = "<") -> bytes:
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(order + "HIH", 42, 8, len(tags))
    return mark + head + b"".join(tags) + bytes(4)


def oriented(value: int, order: str = "<") -> bytes:
    make = tag(0x010F, 2, 2, 0, order)  # tags come in the order of their numbers
    return tiff(make, tag(ORIENTATION, SHORT, 1, value, order), order=order)


def segment(mark: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, mark, len(content) + 2) + content


def jpeg(picture: Tensor, *segments: bytes) -> bytes:
    """A JPEG with these segments between its beginning and its first table."""
    encoder = CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = picture.shape[1:]
    encoder.pix_fmt, encoder.framerate, encoder.options = "yuvj444p", 25, {"qmin": "1", "qmax": "1"}
    frame = av.VideoFrame.from_ndarray(picture.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
    data = b"".join(map(bytes, [*encoder.encode(frame.reformat(format="yuvj444p")), *encoder.encode(None)]))
    return data[:2] + b"".join(segments) + data[2:]


def png(picture: Tensor, exif: bytes) -> bytes:
    height, width = picture.shape[1:]
    rows = picture.permute(1, 2, 0).contiguous().numpy()
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"eXIf", exif), (b"IDAT", pixels), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def folder_of(folder: Path, pictures: list[bytes], suffix: str = "jpg") -> Path:
    folder.mkdir()
    for number, data in enumerate(pictures):
        (folder / f"IMG_{number}.{suffix}").write_bytes(data)
    return folder


def exif(value: int, order: str = "<") -> bytes:
    return segment(0xE1, b"Exif\0\0" + oriented(value, order))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_all_orientations_are_seen_upright(tmp_path: Path, value: int, order: str, suffix: str) -> None:
    stored = STORED[value](FRAMES)
    if suffix == "jpg":
        pictures = [jpeg(picture, exif(value, order)) for picture in stored]
    else:
        pictures = [png(picture, oriented(value, order)) for picture in stored]
    folder = folder_of(tmp_path / "clip", pictures, suffix)
    clip = read_clip(folder, num_frames=3)
    assert numbers_in(clip.frames) == [0, 1, 2]
    assert float((clip.frames.int() - FRAMES.int()).abs().float().mean()) < 2
    info = probe(folder)
    assert (info.width, info.height, info.rotation) == (96, 48, ROTATIONS[value])
    assert [numbers_in(frame.picture[None]) for frame in iter_frames(folder)] == [[0], [1], [2]]
    stream = VideoStream(folder)
    assert [numbers_in(frame.picture()[None]) for frame in stream.frames()] == [[0], [1], [2]]
    # Two oracles: another reader, and what FFmpeg makes of the same EXIF.
    with Image.open(folder / f"IMG_1.{suffix}") as image:
        other = torch.from_numpy(np.array(ImageOps.exif_transpose(image).convert("RGB"))).permute(2, 0, 1)
    assert int((clip.frames[1].int() - other.int()).abs().max()) <= 6
    decoder = CodecContext.create("mjpeg" if suffix == "jpg" else "png", "r")
    (frame,) = [*decoder.decode(av.Packet(pictures[1])), *decoder.decode(None)]
    if int(av.__version__.split(".")[0]) < 19:
        with pytest.raises(ValueError, match="is not a valid Type"):
            frame.side_data.get("DISPLAYMATRIX")  # what this is all about
    ours = exif_orientation(oriented(value, order))
    assert orientation_of(frame) == ours
    assert ours.rotation == ROTATIONS[value]


BROKEN = {
    "empty": b"",
    "no tiff": b"hello world, this is no TIFF",
    "cut in a tag": oriented(6)[:24],
    "cut in the count": oriented(6)[:9],
    "too many tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
    "directory outside": b"II*\0\xff\xff\xff\xff" + oriented(6)[8:],
    "no orientation": tiff(tag(0x0100, SHORT, 1, 6)),
    "orientation 0": tiff(tag(ORIENTATION, SHORT, 1, 0)),
    "orientation 9": tiff(tag(ORIENTATION, SHORT, 1, 9)),
    "orientation of another kind": tiff(tag(ORIENTATION, LONG, 1, 6)),
}


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_broken_exif_spoils_no_picture(tmp_path: Path, suffix: str) -> None:
    for name, content in BROKEN.items():
        with_exif = segment(0xE1, b"Exif\0\0" + content)
        data = jpeg(FRAMES[2], with_exif) if suffix == "jpg" else png(FRAMES[2], content)
        assert numbers_in(read_frames(folder_of(tmp_path / name, [data], suffix), [0]).frames) == [2]
    # makers' notes and texts that point outside are common; orientation is told by a tag before them
    note = tag(0x927C, LONG, 100_000, 50)
    content = tiff(tag(ORIENTATION, SHORT, 1, 3), note, tag(0x8769, LONG, 1, 8))
    data = jpeg(STORED[3](FRAMES)[1], segment(0xE1, b"Exif\0\0" + content))
    assert numbers_in(read_frames(folder_of(tmp_path / "note", [data]), [0]).frames) == [1]


def test_every_cut_of_exif_is_borne() -> None:
    content = oriented(8)
    found = [exif_orientation(content[:end]) for end in range(len(content) + 1)]
    assert (
        found
        == [UPRIGHT] * (len(content) - 4) + [Orientation(transposed=True, flip_rows=True, rotation=90)] * 5
    )


def test_exif_among_other_segments(tmp_path: Path) -> None:
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b" " * 60_000)
    jfif = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    thumbnail = segment(0xE1, b"Exif\0\0" + oriented(6) + jpeg(FRAMES[0], exif(3)))
    stored = STORED[6](FRAMES)[1]
    # thirty times 60 kB of XMP, space filled with 0xFF, two EXIF of which the first counts, and a second picture behind
    data = jpeg(stored, jfif, *[xmp] * 30, b"\xff\xff\xff", thumbnail, exif(8)) + jpeg(FRAMES[0], exif(1))
    assert numbers_in(read_frames(folder_of(tmp_path / "clip", [data]), [0]).frames) == [1]


def test_exif_where_none_belongs_is_left_to_ffmpeg(tmp_path: Path) -> None:
    plain = jpeg(STORED[6](FRAMES)[1])
    at = plain.rindex(b"\xff\xd9")
    late = plain[:at] + exif(6) + plain[at:]
    clip = read_frames(folder_of(tmp_path / "clip", [late]), [0])
    assert numbers_in(
        clip.frames if clip.frames.shape[2] == 48 else torch.rot90(clip.frames, -1, (2, 3))
    ) == [1]


def test_cut_segments_are_damage(tmp_path: Path) -> None:
    data = jpeg(FRAMES[0], exif(6))
    whole = len(exif(6)) + 2
    for length in (b"\0\0", b"\0\1", b"\xff\xff"):
        folder = folder_of(tmp_path / length.hex(), [data[:4] + length + data[6:]])
        with pytest.raises(DecodeError, match=r"IMG_0\.jpg is damaged"):
            read_frames(folder, [0])
    for end in (4, 8, whole - 1, whole):
        with pytest.raises(DecodeError, match=r"IMG_0\.jpg is damaged"):
            read_frames(folder_of(tmp_path / str(end), [data[:end]]), [0])


def test_sizes_are_compared_as_seen(tmp_path: Path) -> None:
    turned = [jpeg(STORED[value](FRAMES)[value % 3], exif(value)) for value in (6, 1, 8)]
    assert numbers_in(read_clip(folder_of(tmp_path / "same", turned), num_frames=3).frames) == [0, 1, 2]
    mixed = folder_of(tmp_path / "mixed", [jpeg(FRAMES[0]), jpeg(FRAMES[1], exif(6))])
    with pytest.raises(DecodeError, match=r"IMG_1\.jpg is 48x96, IMG_0\.jpg is 96x48; make all pictures the"):
        read_clip(mixed, num_frames=2)


def write_packets(
    path: Path, codec: str, size: tuple[int, int], packets: list[bytes], rotation: int = 0
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj444p" if codec == "mjpeg" else "rgb24"
        if rotation:
            stream.set_display_rotation(rotation)
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)


@pytest.mark.parametrize("suffix", ["mkv", "mov", "avi"])
@pytest.mark.parametrize("value", [1, 2, 6])
def test_motion_jpeg_with_exif(tmp_path: Path, value: int, suffix: str) -> None:
    stored = STORED[value](FRAMES)
    path = tmp_path / f"clip.{suffix}"
    size = stored.shape[3], stored.shape[2]
    write_packets(path, "mjpeg", size, [jpeg(picture, exif(value)) for picture in stored])
    assert numbers_in(read_clip(path, num_frames=3).frames) == [0, 1, 2]
    info = probe(path)
    assert (info.width, info.height, info.rotation) == (96, 48, ROTATIONS[value])


def test_a_video_of_png_with_exif_and_one_that_says_itself_how_it_lies(tmp_path: Path) -> None:
    stored = STORED[6](FRAMES)
    write_packets(tmp_path / "png.mov", "png", (48, 96), [png(picture, oriented(6)) for picture in stored])
    assert numbers_in(read_clip(tmp_path / "png.mov", num_frames=3).frames) == [0, 1, 2]
    twice = [jpeg(picture, exif(3)) for picture in torch.rot90(FRAMES, -1, (2, 3))]
    write_packets(tmp_path / "twice.mov", "mjpeg", (48, 96), twice, rotation=90)
    assert numbers_in(read_clip(tmp_path / "twice.mov", num_frames=3).frames) == [0, 1, 2]
    assert probe(tmp_path / "twice.mov").rotation == 90
