"""Frames of training and validation clips, from files or from memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from a2m2.data import DigestCache, VideoRecord
from a2m2.data.store import FeatureStore
from a2m2.errors import DecodeError, undecodable
from a2m2.eval.threads import map_in_threads
from a2m2.settings import VideoSettings
from a2m2.video import center_crop, iter_frames, read_clip, resize_short, sample_index

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)``."""

_KIND = "frames"
_FORMAT = 2


class TimedFrames(NamedTuple):
    """Frames of a clip and when they are shown.

    Attributes:
        frames: ``(time, 3, height, width)`` uint8.
        seconds: ``(time,)`` float64, from the first frame of the clip.
    """

    frames: UInt8[Tensor, "time 3 height width"]
    seconds: Float[Tensor, "time"]


class ClipSource:
    """Clips of a list of videos.

    Args:
        videos: the videos.
        settings: how many frames, and their size.

    Errors are :class:`DecodeError`; nothing stands in for a video that cannot be read.
    """

    def __init__(self, videos: Sequence[VideoRecord], settings: VideoSettings) -> None:
        self.videos = videos
        self.settings = settings
        self._kept: list[TimedFrames] | None = None

    def keep(
        self,
        store: FeatureStore,
        digests: DigestCache,
        *,
        num_threads: int = 2,
        progress: Progress | None = None,
    ) -> None:
        """Decode every clip once and keep all its frames, resized, in memory.

        They are kept in ``store`` too, so that the next training reads them instead of decoding.
        """
        key = hashlib.sha256(json.dumps([_KIND, _FORMAT, self.settings.resize]).encode()).hexdigest()[:24]
        content = digests.digests([video.path for video in self.videos])

        def load(position: int) -> TimedFrames | DecodeError:
            stored = store.get(_KIND, key, content[position])
            if stored is not None:
                return TimedFrames(stored["frames"], stored["seconds"])
            try:
                frames = self._all_frames(position)
            except DecodeError as error:
                return error
            store.put(_KIND, key, content[position], frames._asdict())
            return frames

        kept: list[TimedFrames] = []
        broken: list[DecodeError] = []
        for done, frames in enumerate(map_in_threads(load, range(len(content)), num_threads=num_threads), 1):
            if isinstance(frames, DecodeError):
                broken.append(frames)
            else:
                kept.append(frames)
            if progress is not None:
                progress("reading clips", done, len(content))
        if broken:
            raise undecodable(broken)
        self._kept = kept

    def random(self, position: int, generator: Generator) -> TimedFrames:
        """A random frame of each segment; the short side is ``resize``."""
        count = self.settings.num_frames
        if self._kept is not None:
            kept = self._kept[position]
            index = sample_index(len(kept.frames), count, policy="segment_random", generator=generator)
            return TimedFrames(kept.frames[index], kept.seconds[index])
        clip = read_clip(
            self.videos[position].path, num_frames=count, policy="segment_random", generator=generator
        )
        return TimedFrames(resize_short(clip.frames, self.settings.resize), clip.pts_seconds)

    def centre(self, position: int) -> UInt8[Tensor, "time 3 crop crop"]:
        """What a test sees: the frames of the settings' policy and their centre crop."""
        count, policy = self.settings.num_frames, self.settings.policy
        if self._kept is not None:
            kept = self._kept[position].frames
            frames = kept[sample_index(len(kept), count, policy=policy)]
        else:
            clip = read_clip(self.videos[position].path, num_frames=count, policy=policy)
            frames = resize_short(clip.frames, self.settings.resize)
        return center_crop(frames, self.settings.crop)

    def _all_frames(self, position: int) -> TimedFrames:
        pictures, seconds = [], []
        for frame in iter_frames(self.videos[position].path):
            pictures.append(resize_short(frame.picture[None], self.settings.resize))
            seconds.append(frame.seconds)
        return TimedFrames(torch.cat(pictures), torch.tensor(seconds, dtype=torch.float64))
