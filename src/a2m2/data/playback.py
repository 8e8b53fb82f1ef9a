"""Clips whose sampled frames are shown in another order than they were taken in."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch

from a2m2.data.videos import VideoRecord
from a2m2.structures import Clip
from a2m2.video import Policy, read_clip


def read_video(video: VideoRecord, *, num_frames: int, policy: Policy) -> Clip:
    """The sampled frames of a video, in the order of its ``playback``; the times stay those of a clip that runs on.

    ``backward`` shows the last frame first. ``shuffled`` shows them in a random order that is a pure function of the
    video's name.

    Raises:
        DecodeError: see :func:`a2m2.video.read_clip`.
    """
    clip = read_clip(video.path, num_frames=num_frames, policy=policy)
    if video.playback == "forward":
        return clip
    index = _order(video, len(clip.frames))
    return replace(clip, frames=clip.frames[index], frame_index=clip.frame_index[index])


def content_key(video: VideoRecord, digest: str) -> str:
    """What features of a video are kept under: the digest of its bytes, and how they are played."""
    if video.playback == "forward":
        return digest
    if video.playback == "backward":
        return f"{digest}-backward"
    return f"{digest}-shuffled-{_seed(video):08x}"


def _order(video: VideoRecord, num_frames: int) -> torch.Tensor:
    if video.playback == "backward":
        return torch.arange(num_frames - 1, -1, -1)
    return torch.randperm(num_frames, generator=torch.Generator().manual_seed(_seed(video)))


def _seed(video: VideoRecord) -> int:
    return int.from_bytes(hashlib.sha256(video.name.encode()).digest()[:4])
