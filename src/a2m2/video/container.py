"""One video file: which frames it has, and whether they are whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from time import monotonic
from typing import NoReturn, TypeVar

import av

from a2m2.errors import DecodeError
from a2m2.video import limits
from a2m2.video.damage import (
    Listening,
    Message,
    last_message,
    messages_here,
    reported_damage,
    reported_excess,
)
from a2m2.video.groups import group_starts, needed_groups, stands_alone
from a2m2.video.metadata import CODECS, only_pixels
from a2m2.video.picture import UPRIGHT, lay
from a2m2.video.source import COPY_AGAIN, ENCODE_AGAIN, Shown, check_readable
from a2m2.video.streams import codec_name, open_video
from a2m2.video.tables import check_tables
from a2m2.video.timeline import Timeline

# avi keeps no presentation times, and FFmpeg's guesses at them are wrong where B-frames are packed.
_WITHOUT_PRESENTATION_TIMES = frozenset({"avi"})
# Formats in which every packet shows one picture. In others (MPEG-4 in avi, HEVC, VP8) a packet may rightly
# show none, and what the decoder gives out is what there is.
_ONE_PICTURE_A_PACKET = frozenset({"h264", "vp9", "av1", "gif"})
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
# Containers that list all packets. FFmpeg passes over what it cannot read in them, or ends there, in silence.
_WITH_COMPLETE_INDEX = frozenset({_MP4, "avi"})
# Compressed bytes kept between counting and decoding, so that a short clip is opened and read once.
_MAX_KEPT_BYTES = 64 << 20
# Decoders whose packets say all that `groups` needs; a gif paints over what came before.
_PARTED_BY_KEY_FRAMES = _ONE_PICTURE_A_PACKET - {"gif"}

_T = TypeVar("_T")


class _Scan:
    """What is learnt from the packets of a stream before any is decoded."""

    def __init__(self) -> None:
        self.ticks: list[int] = []
        self.hidden: set[int] = set()
        self.alone: list[int] = []
        self.num_untimed = 0
        self._last: tuple[int, int] | None = None
        self._kept: list[av.Packet] = []
        self._num_bytes = 0

    def add(self, packet: av.Packet, tick: int | None, *, is_alone: bool) -> None:
        """A packet that holds data, when it is shown, and whether decoding can begin there."""
        self._num_bytes += packet.size
        if self._num_bytes <= _MAX_KEPT_BYTES:
            self._kept.append(packet)
        if tick is None:
            self.num_untimed += 1
            return
        if packet.is_discard:  # an edit list hides frames by marking them so
            self.hidden.add(tick)
        else:
            if is_alone:
                self.alone.append(len(self.ticks))
            self.ticks.append(tick)
            if self._last is None or tick >= self._last[0]:
                self._last = tick, packet.duration or 0

    def result(self) -> tuple[list[int], int, list[av.Packet] | None]:
        """Times of packets to be shown, how long the last of them stays, and the packets if they are few."""
        last_ticks = self._last[1] if self._last else 0
        return sorted(self.ticks), last_ticks, self._kept if self._num_bytes <= _MAX_KEPT_BYTES else None


class VideoFile:
    """The video stream of a file. Frame ``k`` is the ``k``-th that a player shows.

    Frames hidden by an edit list are not counted, nor are leading ones that cannot be shown because the video
    was cut before the frames they build on.

    Args:
        path: the file.
        until_damage: open a file that is damaged in the middle, too; `frames` raises where the damage begins.

    Attributes:
        expected: the timeline as the packets tell it, found without decoding.

    Raises:
        DecodeError: here for a file that holds no video, is cut off or contradicts itself, from `frames` for one
            that is damaged.
    """

    def __init__(self, path: Path, *, until_damage: bool = False) -> None:
        check_readable(path)
        self.path = path
        self._container, self._stream = open_video(path)
        self._listening = Listening()
        self._format, self._decoder_name = self._container.format.name, self._stream.codec_context.name
        self._is_timed_by_storage = self._format in _WITHOUT_PRESENTATION_TIMES
        time_base = self._stream.time_base or Fraction(1)
        self._time_base = Fraction(time_base.numerator, time_base.denominator)
        self._hidden: frozenset[int] = frozenset()
        try:
            self._has_one_edit = self._format == _MP4 and self._check_tables()
            scan, self._damage = self._scanned(until_damage)
            self._ticks, self._last_ticks, self._kept = scan.result()
            self._stored_ticks, self._alone = scan.ticks, scan.alone
            self._starts: list[int] | None = [] if scan.num_untimed else None
            self.expected = self._timeline(self._ticks)
        except DecodeError:
            self.close()
            raise
        self._seen: Timeline | None = None

    @property
    def codec(self) -> str:
        return codec_name(self._stream)

    @property
    def seen(self) -> Timeline:
        if self._seen is None:
            raise ValueError("expected a complete pass over the frames before asking what was seen")
        return self._seen

    def close(self) -> None:
        self._container.close()
        self._listening.stop()

    def frames(self) -> Iterator[Shown]:
        ticks: list[int] = []
        latest: int | None = None
        size: tuple[int, int] | None = None
        hidden, num, den = self._hidden, self._time_base.numerator, self._time_base.denominator
        for frame in self._decoded(self._packets()):
            if hidden and not ticks and frame.pts in hidden:
                # cut frames may come out before the first whole one
                latest = frame.pts if latest is None else max(frame.pts, latest)
                continue
            latest = self._tick_of(frame, len(ticks), latest)
            if latest in hidden:
                continue
            if size != (frame.width, frame.height):
                size = self._checked_size(frame, size, len(ticks))
            ticks.append(latest)
            yield Shown((latest - ticks[0]) * num / den, frame)
        num_skipped = max(len(self._ticks) - len(ticks), 0)
        if self.codec in _ONE_PICTURE_A_PACKET and ticks != self._ticks[num_skipped:]:
            self._fail(f"{len(ticks)} frames can be decoded of {len(self._ticks)} stored")
        self._seen = self.expected if ticks == self._ticks else self._timeline(ticks)

    @property
    def is_certain(self) -> bool:
        if self._starts is None:
            ticks = self._stored_ticks
            is_simple = not (self._hidden or self._damage or self._is_timed_by_storage)
            is_parted = self.codec in _PARTED_BY_KEY_FRAMES and len(set(ticks)) == len(ticks)
            starts = group_starts(ticks, self._alone) if is_simple and is_parted else []
            self._starts = starts if starts[:1] == [0] else []
        return bool(self._starts)

    def frames_at(self, wanted: Collection[int]) -> Iterator[tuple[int, Shown]]:
        if not self.is_certain or self._starts is None:
            raise ValueError(f"expected a source that is certain of its frames, got {self.path}")
        ends = dict(zip(self._starts, [*self._starts[1:], len(self._ticks)], strict=True))
        packets = _Counted(self._packets())
        size: tuple[int, int] | None = None
        num, den = self._time_base.numerator, self._time_base.denominator
        for start, last in needed_groups(self._starts, wanted).items():
            if start:
                self._stream.codec_context.flush_buffers()
            for _ in islice(packets, start - packets.taken):
                pass
            group = chain(islice(packets, ends[start] - start), [None])
            position = start
            for frame in self._decoded(group):
                if frame.pts != self._ticks[position]:
                    self._fail(f"frame {position} is missing or out of order", cure=ENCODE_AGAIN)
                if size != (frame.width, frame.height):
                    size = self._checked_size(frame, size, position)
                if position in wanted:
                    yield position, Shown((frame.pts - self._ticks[0]) * num / den, frame)
                position += 1
                if position > last:
                    break
            else:
                self._fail(f"{position} frames can be decoded of {len(self._ticks)} stored")

    def _checked_size(
        self, frame: av.VideoFrame, size: tuple[int, int] | None, position: int
    ) -> tuple[int, int]:
        """The size of a frame that is not the one of those before it, which only the first may be."""
        excess = limits.excess_pixels(frame.width, frame.height)
        if excess is not None:
            self._fail(excess, cure=limits.LIMITED)
        if size is not None:
            self._fail(f"the picture size changes at frame {position}", cure=ENCODE_AGAIN)
        return frame.width, frame.height

    def _scanned(self, until_damage: bool) -> tuple[_Scan, DecodeError | None]:
        """What the packets tell, as far as they can be read, and what is wrong there if that is to be borne."""
        scan = _Scan()
        try:
            self._guarded(lambda: self._scan(scan), "it is damaged")
        except DecodeError as error:
            if not until_damage or not scan.ticks:
                raise
            return scan, error
        return scan, None

    def _scan(self, scan: _Scan) -> None:
        codec, extradata = self.codec, self._stream.codec_context.extradata
        for packet in self._stored_packets():
            pts = packet.pts
            tick = packet.dts if pts is None or self._is_timed_by_storage else pts
            excess = limits.excess_frames(len(scan.ticks) + 1)
            if excess is not None:
                self._fail(excess, cure=limits.LIMITED)
            scan.add(packet, tick, is_alone=packet.is_keyframe and stands_alone(packet, codec, extradata))
        if self._has_one_edit:
            self._hidden = frozenset(scan.hidden.difference(scan.ticks))

    def _packets(self) -> Iterator[av.Packet | None]:
        """All packets for a new decoder, then None, at which it gives out what it holds back."""
        kept, self._kept = self._kept, None
        if kept is not None:
            yield from kept
        else:
            self._container.close()
            self._container, self._stream = open_video(self.path)
            packets = self._stored_packets()
            while (packet := self._guarded(lambda: next(packets, None), "it is damaged")) is not None:
                yield packet
        if self._damage is not None:
            raise self._damage
        yield None

    def _stored_packets(self) -> Iterator[av.Packet]:
        """Packets that hold data: without PyAV's empty last one and the empty ones that avi may have."""
        num_packets = 0
        for packet in self._container.demux(self._stream):
            num_packets += packet.dts is not None
            if packet.size:
                yield packet
        num_listed = len(self._stream.index_entries)
        if self._format in _WITH_COMPLETE_INDEX and num_packets < num_listed:
            self._fail(f"{num_packets} frames can be read of {num_listed} stored")

    def _decoded(self, packets: Iterable[av.Packet | None]) -> Iterator[av.VideoFrame]:
        """Frames as they come out, up to where something is wrong.

        One packet at a time: a decoder whose frames are held back takes fresh memory for the next ones, and loses
        more by that than listening to FFmpeg costs. One loop: the decoder pushes our code out of the caches, so that
        every call more a packet takes microseconds.
        """
        position, seconds = 0, 0.0
        start = monotonic()
        for packet in packets:
            frames = self._decode(packet, position)
            position += len(frames)
            # The time that whoever takes the frames needs does not count.
            seconds = monotonic() - start + (0.0 if frames else seconds)
            yield from frames
            if seconds > limits.MAX_SECONDS_WITHOUT_FRAME and not frames:
                self._fail(f"no frame came out in {seconds:.0f} seconds", cure=limits.LIMITED)
            start = monotonic()

    def _decode(self, packet: av.Packet | None, position: int) -> list[av.VideoFrame]:
        """Frames that come out when a packet goes in; ``position`` is the place of the first of them."""
        is_hidden, orientation = False, UPRIGHT
        if packet is not None:
            is_hidden = packet.is_discard
            if packet.is_corrupt:
                self._fail(f"{_damage_at(position)} (incomplete packet)")
            if self._hidden and packet.pts in self._hidden:
                packet = _copied(packet, bytes(packet))
            if self._decoder_name in CODECS:
                data, orientation = only_pixels(self._decoder_name, bytes(packet))
                packet = _copied(packet, data) if len(data) < packet.size else packet
        with messages_here() as messages:
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError as error:
                self._fail_of(_damage_at(position), messages, error)
        if messages and not is_hidden:
            self._believe(messages, _damage_at(position))
        for frame in frames:
            if frame.is_corrupt and frame.pts not in self._hidden:
                self._fail(f"{_damage_at(position)} (the decoder concealed errors)")
            if orientation is not UPRIGHT:
                lay(frame, orientation)
        return frames

    def _guarded(self, call: Callable[[], _T], damage: str) -> _T:
        """Run one step of FFmpeg; whatever it complains about becomes a DecodeError that says ``damage``."""
        with messages_here() as messages:
            try:
                result = call()
            except av.FFmpegError as error:
                self._fail_of(damage, messages, error)
        if messages:
            self._believe(messages, damage)
        return result

    def _fail_of(self, damage: str, messages: list[Message], error: av.FFmpegError) -> NoReturn:
        excess = reported_excess(messages)
        if excess is not None:
            self._fail(excess, cure=limits.LIMITED, error=error)
        if isinstance(error, av.ExitError):
            cause = f"nothing could be read in {limits.MAX_SECONDS_WITHOUT_FRAME:g} seconds"
            self._fail(cause, cure=limits.LIMITED, error=error)
        self._fail(f"{damage} ({last_message(messages) or error.strerror})", error=error)

    def _believe(self, messages: list[Message], damage: str) -> None:
        excess = reported_excess(messages)
        if excess is not None:
            self._fail(excess, cure=limits.LIMITED)
        sources = (self._decoder_name, self._format)
        complaint = reported_damage(messages, sources=sources)
        if complaint is not None:
            self._fail(f"{damage} ({complaint})")

    def _tick_of(self, frame: av.VideoFrame, position: int, latest: int | None) -> int:
        """When the next frame is shown; by its place among the stored times where it has none of its own."""
        if self._is_timed_by_storage:
            return self._ticks[position] if position < len(self._ticks) else (latest or 0) + 1
        tick: int | None = frame.pts
        if tick is None or (latest is not None and tick < latest):
            self._fail(f"the time of frame {position} is missing or out of order", cure=ENCODE_AGAIN)
        return tick

    def _check_tables(self) -> bool:
        try:
            return check_tables(self.path, self._stream.id)
        except ValueError as error:
            self._fail(f"its tables are damaged ({error})", error=error)

    def _timeline(self, ticks: list[int]) -> Timeline:
        if not ticks:
            self._fail("it holds no frame")
        rate = self._stream.average_rate or self._stream.guessed_rate
        return Timeline.from_ticks(
            ticks,
            time_base=self._time_base,
            last_ticks=self._last_ticks,
            rate=Fraction(rate.numerator, rate.denominator) if rate else None,
        )

    def _fail(self, cause: str, *, cure: str = COPY_AGAIN, error: Exception | None = None) -> NoReturn:
        raise DecodeError(self.path, cause, cure) from error


class _Counted(Iterator[_T]):
    """What is taken of an iterator, counted."""

    def __init__(self, items: Iterator[_T]) -> None:
        self._items, self.taken = items, 0

    def __next__(self) -> _T:
        item = next(self._items)
        self.taken += 1
        return item


def _damage_at(position: int) -> str:
    return f"it is damaged near frame {position}"


def _copied(packet: av.Packet, data: bytes) -> av.Packet:
    """The packet with this content, without its mark of being hidden.

    With it the decoder keeps the picture to itself, but the order in which pictures come out tells whether the time
    of a hidden one is right.
    """
    copy = av.Packet(data)
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
    copy.duration, copy.is_keyframe = (
        packet.duration,
        packet.is_keyframe,
    )  # PNG that is none adds to the one before
    for data in packet.iter_sidedata():
        copy.set_sidedata(data)
    return copy
