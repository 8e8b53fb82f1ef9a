"""What counts as a clip for a recogniser: the path of a video, or all its frames."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from a2m2.data import DigestCache
from a2m2.errors import DataError
from a2m2.settings import VideoSettings
from a2m2.structures import Clip
from a2m2.video import read_clip, sample_index
from a2m2.video.reader import DEFAULT_FOLDER_FPS

ClipLike = str | os.PathLike[str] | Tensor | NDArray[Any]
"""A video file, a folder of frames, or frames ``(time, 3, height, width)``: uint8, or floats in [0, 1]."""


def as_clips(clips: Sequence[ClipLike] | NDArray[Any] | Tensor) -> list[ClipLike]:
    """The clips of a list, or of an array ``(clip, time, 3, height, width)``.

    Raises:
        DataError: one clip where several were expected, or entries that are no clips.
    """
    if isinstance(clips, str | os.PathLike):
        raise DataError(f"expected a list of clips, got the one path {os.fspath(clips)}; put it into a list")
    if isinstance(clips, np.ndarray | Tensor) and clips.ndim not in (1, 5):
        raise DataError(
            "expected a list of paths or an array (clip, time, 3, height, width), got an array of shape "
            f"{tuple(clips.shape)}; a clip is all its frames"
        )
    if not hasattr(clips, "__len__") or not hasattr(clips, "__iter__"):
        raise DataError(
            f"expected a list of clips, got {type(clips).__name__}; give paths or arrays of frames"
        )
    return [_checked(clip, position) for position, clip in enumerate(clips)]


def clip_name(clip: ClipLike, position: int) -> str:
    """What to call a clip: the last two parts of its path, or its place in the list, counted from 1."""
    return "/".join(Path(clip).parts[-2:]) if _is_path(clip) else f"clip {position + 1}"


def clip_digest(clip: ClipLike, digests: DigestCache) -> str:
    """32 hex digits that name the content of a clip.

    Raises:
        DataError: a path that cannot be read.
    """
    if _is_path(clip):
        return digests.digest(Path(clip))
    frames = _uint8(clip)
    digest = hashlib.sha256(f"frames {tuple(frames.shape)}".encode())
    digest.update(frames.numpy().data)
    return digest.hexdigest()[:32]


def sample_clip(clip: ClipLike, video: VideoSettings) -> Clip:
    """The frames of a clip that are looked at. Frames without a file count as 25 a second.

    Raises:
        DecodeError: a video that cannot be read completely.
    """
    if _is_path(clip):
        return read_clip(Path(clip), num_frames=video.num_frames, policy=video.policy)
    frames = _uint8(clip)
    index = sample_index(len(frames), video.num_frames, policy=video.policy)
    seconds = index.double() / DEFAULT_FOLDER_FPS
    return Clip(frames[index], seconds, index, len(frames) / DEFAULT_FOLDER_FPS)


def _is_path(clip: Any) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(clip, str | os.PathLike)


def _checked(clip: Any, position: int) -> ClipLike:
    if _is_path(clip):
        return os.fspath(clip)
    if not isinstance(clip, np.ndarray | Tensor):
        raise DataError(
            f"expected clip {position + 1} to be a path or frames (time, 3, height, width), got "
            f"{type(clip).__name__}; give one of these"
        )
    if clip.ndim != 4 or clip.shape[1] != 3 or not all(clip.shape):
        raise DataError(
            f"expected clip {position + 1} as frames (time, 3, height, width), got shape {tuple(clip.shape)}; "
            "put the colours second, for example by frames.transpose(0, 3, 1, 2)"
        )
    kind = str(clip.dtype).removeprefix("torch.")
    if kind != "uint8" and not kind.startswith("float"):
        raise DataError(
            f"expected clip {position + 1} as uint8 frames or floats from 0 to 1, got {kind}; convert it"
        )
    frames = _tensor(clip)
    if kind != "uint8" and not bool(((frames >= 0) & (frames <= 1)).all()):
        raise DataError(
            f"expected the floats of clip {position + 1} from 0 to 1, got {frames.min().item():g} to "
            f"{frames.max().item():g}; scale them, or give uint8 frames"
        )
    return frames


def _tensor(frames: NDArray[Any] | Tensor) -> Tensor:
    """Frames as a tensor on the CPU; an array that torch cannot share (read-only, mirrored) is copied."""
    if isinstance(frames, np.ndarray):
        return torch.from_numpy(np.require(frames, requirements=["C", "W"]))
    return frames.detach().cpu()


def _uint8(clip: Any) -> UInt8[Tensor, "time 3 height width"]:
    frames = _tensor(clip)
    return (frames if frames.dtype == torch.uint8 else (frames * 255).round().to(torch.uint8)).contiguous()
