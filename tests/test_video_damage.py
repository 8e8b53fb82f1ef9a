"""Broken files: a reason and a cure each, and never a crash, a hang or another frame.

What can be checked of a damaged copy: it ends in `DecodeError`, or it gives as many frames at the same times
as the whole file does. Bits may be changed so that a decoder sees a valid stream that shows something else;
then no reader can know, and pixels are not compared. A cut is always noticed. The tables of an mp4 repeat each
other in part; which of their fields can change unnoticed is measured and listed in `UNNOTICED`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
import torch

from a2m2.errors import DecodeError
from a2m2.structures import Clip
from a2m2.video import iter_frames, probe, read_clip, read_frames, read_many, write_clip
from a2m2.video.damage import reported_damage
from video_fixtures import encode, numbered_frames, remux, silence

NUM_FRAMES = 24
SUFFIXES = ["mp4", "mov", "mkv", "avi", "webm", "gif"]
# In MPEG-4 and HEVC a packet may rightly show no picture, so damage may change how many there are.
ONE_PICTURE_A_PACKET = {
    **{f"clip.{suffix}": suffix != "avi" for suffix in SUFFIXES},
    "front.mp4": True,
    "hevc.mp4": False,
}
COPY = "copy or download it again, or leave it out"


def textured() -> torch.Tensor:
    """Numbered frames under noise that moves, so that every part of a file matters to some picture."""
    noise = torch.randint(0, 60, (NUM_FRAMES, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    return (numbered_frames(NUM_FRAMES).int() + noise - 30).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    folder = tmp_path_factory.mktemp("whole")
    for suffix in SUFFIXES:
        write_clip(folder / f"clip.{suffix}", textured(), num_b_frames=2, crf=23)
    remux(folder / "clip.mp4", folder / "front.mp4", muxer={"movflags": "faststart"})
    encode(folder / "hevc.mp4", textured(), codec="libx265", options={"x265-params": "log-level=none"})
    return {name: described(folder / name) for name in ONE_PICTURE_A_PACKET}


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def flipped(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice([1, 3, 10])):
        changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def zeroed(data: bytes, dice: random.Random) -> bytes:
    start, length = dice.randrange(len(data)), dice.choice([16, 256, 2048])
    return (data[:start] + bytes(length) + data[start + length :])[: len(data)]


@dataclass(frozen=True)
class Whole:
    """A good file: its bytes, where its packets lie, which frames they show, and the clip read from it."""

    data: bytes
    packets: list[range]
    shown_by: list[int]
    keeps_times_apart: bool  # mp4 and mov; elsewhere the time of a frame is stored next to its pixels
    clip: Clip


def described(path: Path) -> Whole:
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        order = sorted(packet.pts for packet in packets)
        shown_by = [order.index(packet.pts) for packet in packets]
    places = [range(packet.pos, packet.pos + packet.size) for packet in packets]
    keeps_times_apart = path.suffix in {".mp4", ".mov"}
    return Whole(path.read_bytes(), places, shown_by, keeps_times_apart, read_clip(path, num_frames=8))


def check_damaged(whole: dict[str, Whole], folder: Path, *, num_copies: int, seed: int) -> Counter[str]:
    """Damage copies in turn and check what comes of each; returns how often each outcome came."""
    dice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for position in range(num_copies):
        name = list(whole)[position % len(whole)]
        damage: Callable[[bytes, random.Random], bytes] = dice.choice([cut, flipped, flipped, zeroed])
        data = damage(whole[name].data, dice)
        path = _written(folder / name, data)
        try:
            clip = read_clip(path, num_frames=8)
        except DecodeError as error:
            assert str(error).startswith(f"cannot decode {path}: ")
            assert "\n" not in str(error)
            outcomes["error"] += 1
            continue
        assert damage is not cut, f"copy {position} of {name}"
        outcomes["frames"] += 1
        check_frames(clip, data, whole[name], ONE_PICTURE_A_PACKET[name], f"copy {position} of {name}")
    return outcomes


def check_frames(clip: Clip, data: bytes, whole: Whole, one_picture_a_packet: bool, which: str) -> None:
    """Where only packets are damaged: as many frames as before, and those before the damage unchanged."""
    changed = [place for place, (old, new) in enumerate(zip(whole.data, data, strict=True)) if old != new]
    hit = [k for k, place in enumerate(whole.packets) if any(at in place for at in changed)]
    in_packets = sum(sum(at in place for at in changed) for place in whole.packets)
    if in_packets < len(changed) or not one_picture_a_packet:
        return
    assert torch.equal(clip.frame_index, whole.clip.frame_index), which
    if whole.keeps_times_apart:
        assert torch.equal(clip.pts_seconds, whole.clip.pts_seconds), which
    untouched = set(whole.shown_by[: min(hit, default=None)])
    for position, frame in enumerate(clip.frame_index.tolist()):
        if frame in untouched:
            assert torch.equal(clip.frames[position], whole.clip.frames[position]), which


@pytest.mark.timeout(60)
def test_damaged_copies_end_in_an_error_or_in_the_same_frames(
    whole: dict[str, Whole], tmp_path: Path
) -> None:
    outcomes = check_damaged(whole, tmp_path, num_copies=48, seed=1)
    assert outcomes["error"] > outcomes["frames"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_damaged_copies(whole: dict[str, Whole], tmp_path: Path, seed: int) -> None:
    check_damaged(whole, tmp_path, num_copies=400, seed=seed)


@pytest.mark.parametrize(
    "name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.avi", "clip.webm", "clip.gif", "front.mp4"]
)
def test_a_cut_anywhere_is_noticed_and_measured(whole: dict[str, Whole], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = whole[name].data
    for share in (0.3, 0.6, 0.9, 0.97):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(
            DecodeError, match=rf"{name}: the file is cut off, \d+ of \d+ bytes are there; {COPY}$"
        ):
            read_clip(path, num_frames=4)
    path.write_bytes(data[:-1])
    with pytest.raises(DecodeError, match=rf"cut off, {len(data) - 1} of {len(data)} bytes are there"):
        read_clip(path, num_frames=4)


def test_damage_that_is_not_asked_for_is_still_damage(whole: dict[str, Whole], tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    data = bytearray(whole["clip.mp4"].data)
    with av.open(str(_written(path, bytes(data)))) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    start, size = packets[-2]
    data[start + size // 3 : start + size] = bytes(size - size // 3)
    path.write_bytes(bytes(data))
    for read in (lambda: read_frames(path, [0]), lambda: probe(path), lambda: read_clip(path, num_frames=2)):
        with pytest.raises(DecodeError, match=rf"clip\.mp4: it is damaged near frame 2\d \(.+\); {COPY}$"):
            read()
    frames = iter_frames(path)
    given = []
    with pytest.raises(DecodeError, match="it is damaged near frame"):
        given.extend(frame.frame_index for frame in frames)
    assert next(iter_frames(path)).frame_index == 0


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _packet(path: Path, position: int) -> av.Packet:
    with av.open(str(path)) as file:
        return [packet for packet in file.demux(video=0) if packet.size][position]


def test_damage_that_only_the_log_tells(tmp_path: Path) -> None:
    """FFmpeg's GIF decoder gives out half a picture and only logs it; here twice, with the same message."""
    for name in ("a", "b"):
        path = tmp_path / f"{name}.gif"
        write_clip(path, textured())
        packet = _packet(path, 12)
        data = bytearray(path.read_bytes())
        for offset in range(packet.size // 2, packet.size // 2 + 24):
            data[packet.pos + offset] ^= 0x55
        path.write_bytes(bytes(data))
    for name in ("a", "b"):
        message = rf"{name}\.gif: it is damaged near frame 12 \(LZW decode failed\)"
        with pytest.raises(DecodeError, match=message):
            read_clip(tmp_path / f"{name}.gif", num_frames=4)


def test_what_the_decoder_tells_of_a_packet_is_heard(whole: dict[str, Whole], tmp_path: Path) -> None:
    """Filler in a packet is damage exactly where FFmpeg, fed one packet at a time, finds something wrong.

    H.264 often reads filler as pictures without a word: no reader can know then.
    """
    data, path = whole["clip.mp4"].data, tmp_path / "clip.mp4"
    verdicts = Counter[bool]()
    for filler in (0xAA, 0x55, 0xFF):
        for place in whole["clip.mp4"].packets[::3]:
            middle = (place.start + place.stop) // 2
            _written(path, data[:middle] + bytes([filler]) * (place.stop - middle) + data[place.stop :])
            is_damaged = _is_complained_of(path)
            verdicts[is_damaged] += 1
            if is_damaged:
                with pytest.raises(DecodeError, match=r"clip\.mp4: it is damaged"):
                    read_frames(path, [0])
            else:
                assert read_frames(path, [0, NUM_FRAMES - 1]).frame_index.tolist() == [0, NUM_FRAMES - 1]
    assert verdicts[True] > verdicts[False]


def _is_complained_of(path: Path) -> bool:
    """Whether decoding packet by packet with PyAV alone raises, logs an error or marks a picture."""
    level, is_skipping = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=True) as messages, av.open(str(path)) as file:
            file.streams.video[0].thread_type = "NONE"
            frames = [frame for packet in file.demux(video=0) for frame in packet.decode()]
    except av.FFmpegError:
        return True
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(is_skipping)
    return bool(messages) or any(frame.is_corrupt for frame in frames)


def test_checksums_that_ffmpeg_gets_wrong_are_not_compared(tmp_path: Path) -> None:
    """x265 can store the MD5 of each picture; FFmpeg finds some of them wrong in files that are whole."""
    path = tmp_path / "clip.mp4"
    encode(path, textured(), codec="libx265", options={"x265-params": "log-level=none:hash=1"})
    assert read_clip(path, num_frames=4).frame_index.tolist() == [3, 9, 15, 21]


def test_files_that_are_no_video(tmp_path: Path) -> None:
    def refused(path: Path, message: str) -> None:
        for read in (lambda: read_clip(path, num_frames=2), lambda: probe(path)):
            with pytest.raises(DecodeError, match=rf"^cannot decode {path}: {message}$"):
                read()

    refused(tmp_path / "none.mp4", "no such file; check the path")
    refused(_written(tmp_path / "file.mp4", b"x") / "inside.mp4", "no such file; check the path")
    refused(_written(tmp_path / "empty.mp4", b""), f"the file is empty; {COPY}")
    text = _written(tmp_path / "text.mp4", b"This is a letter.\n" * 50)
    refused(text, rf"FFmpeg finds no video in it \(.+\); {COPY}")
    zeros = _written(tmp_path / "zeros.mkv", bytes(5000))
    refused(zeros, rf"FFmpeg finds no video in it \(.+\); {COPY}")
    refused(Path("/dev/null"), "it is neither a file nor a folder; check the path")
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(tmp_path / "pipe.mp4", "it is neither a file nor a folder; check the path")


@pytest.mark.parametrize(
    ("suffix", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("m4a", "aac"), ("mkv", "aac")]
)
def test_sound_alone_is_no_video(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"sound.{suffix}"
    with av.open(str(path), "w") as container:
        silence(container, codec=codec)
    with pytest.raises(
        DecodeError, match=r"it has no video stream, only audio; give a file with video, or leave it out$"
    ):
        read_clip(path, num_frames=2)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "mpeg4"), ("mov", "mpeg4"), ("mkv", "mpeg4"), ("webm", "libvpx-vp9")]
)
def test_no_frames_is_no_video(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"nothing.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(DecodeError, match=r"it holds no frame|it has no streams|FFmpeg finds no video in it"):
        read_clip(path, num_frames=2)


def test_a_path_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "clip.mp4", textured())

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(DecodeError, match=r"clip\.mp4: no permission to read it; change its permissions$"):
        read_clip(tmp_path / "clip.mp4", num_frames=2)
    monkeypatch.undo()
    monkeypatch.undo()
    with pytest.raises(DecodeError, match=r"it cannot be opened \(embedded null byte\); check the path"):
        read_clip("a\0b.mp4", num_frames=2)


def test_bytes_after_the_end_do_no_harm(whole: dict[str, Whole], tmp_path: Path) -> None:
    for name in ("clip.mkv", "clip.avi", "clip.gif", "clip.webm"):
        path = _written(tmp_path / name, whole[name].data + b"trailing bytes")
        assert read_clip(path, num_frames=4).frame_index.tolist() == [3, 9, 15, 21]


def test_nothing_is_printed(
    whole: dict[str, Whole], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_damaged(whole, tmp_path, num_copies=16, seed=9)
    assert capfd.readouterr() == ("", "")


def test_harmless_complaints_are_no_damage() -> None:
    complaints = [
        (16, "h264", "mmco: unref short failure\n"),
        (
            16,
            "h264",
            "number of reference frames (0+5) exceeds max (4; probably corrupt input), discarding one\n",
        ),
        (24, "h264", "a warning\n"),
        (16, "aac", "Input buffer exhausted before END element found\n"),
    ]
    assert reported_damage(complaints, sources=("h264", "mov")) is None
    complaints.append((16, "h264", "error while decoding MB 3 4.\n"))
    assert reported_damage(complaints, sources=("h264", "mov")) == "error while decoding MB 3 4"


def test_threads_hear_only_their_own_file(whole: dict[str, Whole], tmp_path: Path) -> None:
    """The damage of the broken GIFs is known from FFmpeg's log alone, which all threads share."""
    good, broken = tmp_path / "good.gif", tmp_path / "broken.gif"
    data = bytearray(_written(good, whole["clip.gif"].data).read_bytes())
    packet = _packet(good, 12)
    for offset in range(packet.size // 2, packet.size // 2 + 24):
        data[packet.pos + offset] ^= 0x55
    broken.write_bytes(bytes(data))
    for path, result in read_many([good, broken] * 40, num_frames=4, num_workers=6):
        assert isinstance(result, DecodeError if path == broken else Clip)
    assert av.logging.get_level() is None


def test_a_reading_that_is_left_puts_the_log_level_back(whole: dict[str, Whole], tmp_path: Path) -> None:
    path = _written(tmp_path / "clip.mp4", whole["clip.mp4"].data)
    frames = iter_frames(path)
    next(frames)
    others = iter_frames(path)
    next(others)
    assert av.logging.get_level() == av.logging.ERROR
    frames.close()
    assert av.logging.get_level() == av.logging.ERROR
    del others
    assert av.logging.get_level() is None


def test_a_log_level_of_the_user_stays(whole: dict[str, Whole], tmp_path: Path) -> None:
    path = _written(tmp_path / "clip.mp4", whole["clip.mp4"].data)
    av.logging.set_level(av.logging.VERBOSE)
    try:
        read_clip(path, num_frames=4)
        assert av.logging.get_level() == av.logging.VERBOSE
        path.write_bytes(b"no video")
        with pytest.raises(DecodeError, match="FFmpeg finds no video in it"):
            read_clip(path, num_frames=4)
    finally:
        av.logging.set_level(None)


# Fields, by box and 32-bit word after its name, in which one changed bit shows other frames and nothing in the
# file speaks against it: ticks a second (mvhd, mdhd), which make an edit list cut off the end as an editor would;
# where an edit begins, by less than a frame (elst); how long frames stay, by less than the delay of B-frames that
# mdhd may include (stts); when the first one is shown (ctts).
UNNOTICED = {"mvhd 3", "mdhd 3", "elst 3", "stts 3", "ctts"}
# Fields in which a bit keeps the frames and moves times alone: as valid as any variable rate.
UNNOTICED_TIMES = {"mdhd 3", "stts 3", "ctts"}
FOLDERS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}
TABLES = {"mvhd", "mdhd", "elst", "stts", "ctts", "stss", "stsc", "stsz", "stco"}


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of every box of a file, folders before what is in them."""
    while start + 8 <= (end or len(data)):
        stop = start + int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8].decode("latin1"), start, stop
        if data[start + 4 : start + 8] in FOLDERS:
            yield from boxes(data, start + 8, stop)
        start = stop


def set_word(data: bytes, name: str, word: int, value: int) -> bytes:
    """The file with a 32-bit number behind the name of a box changed, counted from 0."""
    at = 8 + 4 * word + next(start for box, start, _ in boxes(data) if box == name)
    return data[:at] + value.to_bytes(4, "big") + data[at + 4 :]


def pictures(path: Path) -> tuple[list[bytes], list[float]]:
    frames = list(iter_frames(path))
    return [frame.picture.numpy().tobytes() for frame in frames], [frame.seconds for frame in frames]


@pytest.fixture(scope="module")
def tabled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small files whose frames lie in the order of decoding: all shown, the first four hidden by an edit."""
    folder = tmp_path_factory.mktemp("tabled")
    write_clip(folder / "clip.mp4", numbered_frames(10, height=16, width=32), num_b_frames=2)
    remux(folder / "clip.mp4", folder / "hidden.mp4", first=4, muxer={"avoid_negative_ts": "disabled"})
    return {name: (folder / f"{name}.mp4").read_bytes() for name in ("clip", "hidden")}


@pytest.mark.parametrize("name", ["clip", "hidden"])
def test_a_bit_of_a_table_is_noticed_where_anything_contradicts_it(
    tabled: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    """An eighth of all bits of the tables, of which some 25 showed other frames before they were compared."""
    data = tabled[name]
    path = _written(tmp_path / "clip.mp4", data)
    shown, seconds = pictures(path)
    dice = random.Random(4)
    num_errors = 0
    others: Counter[str] = Counter()
    other_times: Counter[str] = Counter()
    for table, start, stop in boxes(data):
        for bit in dice.sample(range(8 * start, 8 * stop), stop - start) if table in TABLES else []:
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            try:
                found, times = pictures(_written(path, bytes(changed)))
            except DecodeError:
                num_errors += 1
                continue
            field = "ctts" if table == "ctts" else f"{table} {(bit // 8 - start) // 4 - 2}"
            others[field] += found != shown
            other_times[field] += found == shown and times != seconds
    assert num_errors > 200
    assert set(+others) <= UNNOTICED
    assert others.total() - others["mvhd 3"] <= 2
    assert set(+other_times) <= UNNOTICED_TIMES


@pytest.mark.parametrize(
    ("name", "box", "word", "value", "message"),
    [
        pytest.param("clip", "stts", 2, 9, "stts is about 9 frames of 10", id="stts-count"),
        pytest.param("clip", "stts", 3, 1 << 20, r"frames last 10485760 ticks", id="stts-step"),
        pytest.param("clip", "stts", 3, 0, "all frames last 0 ticks", id="stts-zero"),
        pytest.param("clip", "ctts", 2, 9, r"ctts is about \d+ frames of 10", id="ctts-count"),
        pytest.param("clip", "stss", 1, 2, "stss has room for 1 entries of 2", id="stss-rows"),
        pytest.param("clip", "ctts", 5, 1 << 28, r"frames are shown over 2684\d+ ticks", id="ctts-late"),
        pytest.param("clip", "stsz", 2, 8, "is about 10 frames of 8", id="stsz-count"),
        pytest.param("clip", "stsz", 5, 1 << 30, r"a frame has 1073741824 bytes in a file", id="stsz-size"),
        pytest.param("clip", "stsc", 3, 2, "stsc places 2 frames of 10", id="stsc-few"),
        pytest.param("hidden", "stsc", 3, 26, "stsc places 26 frames of 10", id="stsc-many"),
        pytest.param(
            "hidden", "stss", 2, 33, "stss does not name key frames in order from 1 to 10", id="stss"
        ),
        pytest.param(
            "clip", "elst", 2, 200, r"an edit of 200 ticks hides the end of a track of 625", id="cut"
        ),
        pytest.param("clip", "elst", -2, 12, "elst has 4 bytes, expected 8 before its rows", id="elst-short"),
        pytest.param("clip", "elst", 3, 10240, "an edit hides the start, and ends at tick", id="start"),
        pytest.param("clip", "mdhd", 0, 1 << 24, r"mdhd has 24 bytes, expected 36", id="mdhd-version"),
        pytest.param("clip", "mdhd", -1, 0x6D646865, "mdhd has 0 bytes", id="mdhd-name"),
        pytest.param(
            "hidden", "edts", -1, 0x65647472, "a box is named b'edtr' instead of b'edts'", id="edts"
        ),
    ],
)
def test_tables_that_contradict_each_other(
    tabled: dict[str, bytes], tmp_path: Path, name: str, box: str, word: int, value: int, message: str
) -> None:
    path = _written(tmp_path / "clip.mp4", set_word(tabled[name], box, word, value))
    for read in (lambda: read_clip(path, num_frames=2), lambda: probe(path)):
        with pytest.raises(DecodeError, match=rf"its tables are damaged \(.*{message}.*\); {COPY}$"):
            read()


def test_a_hidden_frame_at_the_wrong_time_is_out_of_order(tabled: dict[str, bytes], tmp_path: Path) -> None:
    """Ten steps later a frame in the middle is behind the edit; the order of decoding tells."""
    data = tabled["clip"]
    start, stop = next((start, stop) for box, start, stop in boxes(data) if box == "ctts")
    path = tmp_path / "clip.mp4"
    noticed = 0
    for word in range(3, (stop - start - 8) // 4, 2):
        at = start + 8 + 4 * word
        delay = int.from_bytes(data[at : at + 4], "big")
        _written(path, set_word(data, "ctts", word, delay + 9 * 1024))
        with pytest.raises(DecodeError, match=r"is missing or out of order|its tables are damaged") as error:
            read_clip(path, num_frames=2)
        noticed += "out of order" in error.value.cause
    assert noticed


def with_edits(data: bytes, edits: list[tuple[int, int]], *, version: int = 0) -> bytes:
    """The file with another edit list; its index lies behind the pictures, so nothing else moves."""
    size = 8 if version else 4
    table = (version << 24).to_bytes(4, "big") + len(edits).to_bytes(4, "big")
    for duration, start in edits:
        table += duration.to_bytes(size, "big") + start.to_bytes(size, "big", signed=True) + b"\0\1\0\0"
    found = {name: (start, stop) for name, start, stop in boxes(data)}
    start, stop = found["elst"]
    grown = len(table) - (stop - start - 8)
    changed = bytearray(data)
    for name in ("elst", "edts", "trak", "moov"):
        at, end = found[name]
        changed[at : at + 4] = (end - at + grown).to_bytes(4, "big")
    changed[start + 8 : stop] = table
    return set_word(bytes(changed), "tkhd", 5, sum(duration for duration, _ in edits))


@pytest.mark.parametrize(
    ("edits", "version", "shown"),
    [
        pytest.param([(625, 2048)], 1, range(10), id="wide"),
        pytest.param([(375, 2048)], 0, range(6), id="end-cut-off"),
        pytest.param([(250, 2048 + 3 * 1024)], 0, range(3, 7), id="both-cut-off"),
        pytest.param([(500, -1), (375, 2048)], 0, range(6), id="pause-first"),
    ],
)
def test_edits_of_phones_and_editors_are_no_damage(
    tabled: dict[str, bytes], tmp_path: Path, edits: list[tuple[int, int]], version: int, shown: range
) -> None:
    whole, _ = pictures(_written(tmp_path / "whole.mp4", tabled["clip"]))
    path = _written(tmp_path / "clip.mp4", with_edits(tabled["clip"], edits, version=version))
    assert pictures(path)[0] == [whole[k] for k in shown]


def test_several_edits_are_not_judged(tabled: dict[str, bytes], tmp_path: Path) -> None:
    edits = [(125, 2048), (250, 2048 + 5 * 1024)]
    path = _written(tmp_path / "clip.mp4", with_edits(tabled["clip"], edits))
    assert len(pictures(path)[0]) == 6
