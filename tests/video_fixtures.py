"""Videos whose frames carry their own number, painted as black and white blocks that survive any codec."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

NUM_BITS = 8
_ROWS, _COLUMNS = 2, 4


def numbered_frames(num_frames: int, *, height: int = 64, width: int = 64) -> Tensor:
    """uint8 ``(time, 3, height, width)``; frame ``k`` shows ``k`` in binary, as 2 x 4 blocks."""
    bits = torch.arange(num_frames)[:, None] >> torch.arange(NUM_BITS) & 1
    blocks = (30 + 190 * bits).to(torch.uint8).view(num_frames, 1, _ROWS, _COLUMNS)
    grid = blocks.repeat_interleave(height // _ROWS, 2).repeat_interleave(width // _COLUMNS, 3)
    return grid.expand(-1, 3, -1, -1).contiguous()


def numbers_in(frames: Tensor) -> list[int]:
    """The numbers that upright frames show; reads the middle of each block."""
    time, _, height, width = frames.shape
    blocks = frames.float().mean(1).view(time, _ROWS, height // _ROWS, _COLUMNS, width // _COLUMNS)
    rows, columns = height // _ROWS, width // _COLUMNS
    middle = blocks[:, :, rows // 4 : 3 * rows // 4, :, columns // 4 : 3 * columns // 4].mean((2, 4))
    bits = (middle.view(time, NUM_BITS) > 125).long()
    return (bits << torch.arange(NUM_BITS)).sum(1).tolist()


def encode(
    path: Path,
    frames: Tensor,
    *,
    codec: str,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> None:
    """Write with PyAV alone what ``write_clip`` does not offer; 25 frames a second."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames.shape[2:]
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        for picture in frames.permute(0, 2, 3, 1).contiguous().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def remux(
    source: Path,
    target: Path,
    *,
    first: int = 0,
    without: tuple[int, ...] = (),
    muxer: dict[str, str] | None = None,
) -> None:
    """Copy the packets of ``source`` without encoding, moved so that frame ``first`` gets time 0."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=muxer or {}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for position, packet in enumerate(old.demux(video=0)):
            if packet.dts is None or position in without:
                continue
            shift = packet.duration * first
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = stream
            new.mux(packet)


def silence(container: av.container.OutputContainer, *, seconds: float = 1.0, codec: str = "aac") -> None:
    """Add a silent audio stream to a container that is being written."""
    stream = container.add_stream(codec, rate=16_000)
    samples = np.zeros((1, int(16_000 * seconds)), np.int16 if codec == "pcm_s16le" else np.float32)
    layout = {"format": "s16" if codec == "pcm_s16le" else "fltp", "layout": "mono"}
    frame = av.AudioFrame.from_ndarray(samples, **layout)
    frame.sample_rate = 16_000
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
