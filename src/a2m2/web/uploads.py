"""Files from a browser: streamed to disk under a limit, then decoded to see what they are."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from a2m2.errors import DecodeError
from a2m2.eval.thumbnails import jpeg_thumbnails
from a2m2.video import read_clip
from a2m2.web.enrolling import new_key
from a2m2.web.limits import Limits
from a2m2.web.refusals import Refusal, undecodable_clip

NUM_THUMBNAILS = 8


@dataclass(frozen=True)
class SeenClip:
    """What decoding an upload has shown."""

    seconds: float
    thumbnails: tuple[bytes, ...]


@contextlib.asynccontextmanager
async def stored(
    chunks: AsyncIterator[bytes], folder: Path, *, name: str, limits: Limits
) -> AsyncIterator[Path]:
    """The upload as a file of ``folder``, under a random name; removed again when the block raises.

    Raises:
        Refusal: it is larger than the limit, which is noticed while it comes, or the disk is full.
    """
    path = folder / new_key()
    try:
        await _write(chunks, path, name=name, limits=limits)
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _write(chunks: AsyncIterator[bytes], path: Path, *, name: str, limits: Limits) -> None:
    size = 0
    try:
        with path.open("xb", buffering=0) as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limits.upload_bytes:
                    raise Refusal(
                        f"{name} is larger than the {limits.upload_mb} MB that one file may have; cut it, or make "
                        "it smaller",
                        status=413,
                    )
                file.write(chunk)
    except OSError:
        raise Refusal(
            f"{name} could not be stored: the server's disk may be full; remove clips, or try again later",
            status=507,
        ) from None


def see_clip(path: Path, name: str) -> SeenClip:
    """Decode an upload: whatever it is called, it is a video when it can be read to its end.

    Raises:
        Refusal: it is none, and why.
    """
    try:
        clip = read_clip(path, num_frames=NUM_THUMBNAILS)
    except DecodeError as error:
        raise Refusal(undecodable_clip(name, error)) from None
    return SeenClip(clip.duration_seconds, jpeg_thumbnails(clip))
