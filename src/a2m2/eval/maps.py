"""Feature maps of videos, computed once and kept: the first cache point.

A map is stored in half precision under a key made of everything upstream of it: the backbone's weights, the stage,
the frames taken and how they were resized, and the video's bytes. Maps are always read back from the store, so a
result does not depend on whether they were there before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.data import VideoRecord, read_video
from a2m2.data.store import FeatureStore
from a2m2.devices import CPU, GPU_CLIPS, encoding, key_parts, stacked
from a2m2.errors import DataError, DecodeError, undecodable
from a2m2.eval.threads import map_in_threads
from a2m2.nn import Backbone
from a2m2.settings import Stage, VideoSettings
from a2m2.structures import Clip
from a2m2.video import prepare

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)``."""

POOLED = "pooled"
"""Stage name for the spatial mean of the backbone's last map."""

_KIND = "maps"
_FORMAT = 1
_BATCH = 4


@dataclass(frozen=True, eq=False)
class ClipMaps:
    """What a backbone saw in one clip.

    Attributes:
        maps: one ``(time, channel, height, width)`` float32 map a stage.
        pts_seconds: ``(time,)`` float64 presentation times of the sampled frames.
        duration_seconds: length of the video.
    """

    maps: tuple[Float[Tensor, "time channel height width"], ...]
    pts_seconds: Float[Tensor, "time"]
    duration_seconds: float


def backbone_stages(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The stages to ask a backbone for, so that all of ``stages`` can be made."""
    asked = ["last" if stage == POOLED else stage for stage in stages]
    return tuple(dict.fromkeys(asked))


@torch.inference_mode()
def see_clips(
    backbone: Backbone, clips: Sequence[Clip], *, stages: Sequence[Stage], settings: VideoSettings
) -> list[ClipMaps]:
    """Maps of decoded clips, exactly as they come back from a store: on the host.

    Args:
        backbone: built for at least ``backbone_stages(stages)``.
        clips: frames sampled as ``settings`` say.
        stages: which maps, in order.
        settings: the size of the frames.
    """
    prepared = [prepare(clip.frames, resize=settings.resize, crop=settings.crop) for clip in clips]
    half = see_frames(backbone, stacked(prepared, backbone.device), stages=stages)
    return [
        ClipMaps(
            tuple(stage_map[position].to(CPU).float() for stage_map in half),
            clip.pts_seconds.double(),
            clip.duration_seconds,
        )
        for position, clip in enumerate(clips)
    ]


@torch.inference_mode()
def see_frames(
    backbone: Backbone, frames: Float[Tensor, "clip time 3 height width"], *, stages: Sequence[Stage]
) -> tuple[Float[Tensor, "clip time channel height_ width_"], ...]:
    """Half-precision maps of prepared frames, one a stage, where the backbone lies."""
    with encoding(backbone.device):
        there = frames.to(backbone.device, non_blocking=True)
        seen = dict(zip(backbone.stages, backbone(there), strict=True))
        if POOLED in stages:
            seen[POOLED] = seen["last"].mean((-2, -1), keepdim=True)
        return tuple(seen[str(stage)].to(torch.float16) for stage in stages)


class MapBank:
    """Maps of a set of videos at several stages.

    Args:
        store: where maps are kept.
        backbone: built for ``backbone_stages(stages)``.
        settings: which frames, and their size.
        stages: the stages that will be asked for.
    """

    def __init__(
        self, store: FeatureStore, backbone: Backbone, settings: VideoSettings, stages: Sequence[Stage]
    ) -> None:
        self.store = store
        self.backbone = backbone
        self.settings = settings
        self.stages = tuple(dict.fromkeys(stages))
        self.backbone_digest = backbone.digest()
        self._keys = {stage: self._key(stage, self.backbone_digest) for stage in self.stages}

    def key(self, stage: Stage) -> str:
        """Digest of everything but the video that a stage's map depends on."""
        return self._keys[stage]

    def _key(self, stage: Stage, backbone_digest: str) -> str:
        asked = "last" if stage == POOLED else str(stage)
        parts = {
            "backbone": backbone_digest,
            "stage": self.backbone.stage_identity(asked),
            "pooled": stage == POOLED,
            "video": self.settings.model_dump(mode="json"),
            "format": _FORMAT,
        }
        if device := key_parts(self.backbone.device):
            parts["device"] = device
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]

    def missing(self, videos: Sequence[VideoRecord], digests: Sequence[str]) -> list[int]:
        """Positions of the videos that lack a map."""
        return [index for index in range(len(videos)) if not self.holds(digests[index])]

    def holds(self, digest: str) -> bool:
        """Whether all maps of a video are stored."""
        return all(self.store.contains(_KIND, self.key(stage), digest) for stage in self.stages)

    def embed(
        self,
        videos: Sequence[VideoRecord],
        digests: Sequence[str],
        *,
        progress: Progress | None = None,
        num_threads: int = 2,
    ) -> None:
        """Compute and store what is missing. Interrupted, it continues where it stopped.

        Args:
            videos: the videos.
            digests: content digest of each.
            progress: told after every batch.
            num_threads: batches of clips decoded and embedded at the same time.

        Raises:
            DataError: videos that cannot be decoded, all of them named in one message at the end; the others
                are stored by then.
        """
        todo = self.missing(videos, digests)
        size = _BATCH if self.backbone.device.type == "cpu" else GPU_CLIPS
        batches = [todo[start : start + size] for start in range(0, len(todo), size)]

        def embed_batch(batch: Sequence[int]) -> list[DecodeError]:
            return self._embed_batch([videos[index] for index in batch], [digests[index] for index in batch])

        broken: list[DecodeError] = []
        done = 0
        results = map_in_threads(embed_batch, batches, num_threads=num_threads)
        for batch, errors in zip(batches, results, strict=True):
            broken.extend(errors)
            done += len(batch)
            if progress is not None:
                progress("embedding clips", done, len(todo))
        if broken:
            raise undecodable(broken)

    def _embed_batch(self, videos: Sequence[VideoRecord], digests: Sequence[str]) -> list[DecodeError]:
        """Store the maps of a few videos; returns what went wrong with those that cannot be decoded."""
        errors: list[DecodeError] = []
        good: list[tuple[str, Clip]] = []
        for video, digest in zip(videos, digests, strict=True):
            try:
                clip = read_video(video, num_frames=self.settings.num_frames, policy=self.settings.policy)
                good.append((digest, clip))
            except DecodeError as error:
                errors.append(error)
        if good:
            self.store_clips(good)
        return errors

    def store_clips(self, clips: Sequence[tuple[str, Clip]]) -> None:
        """Store the maps of clips that are decoded already, each under its content digest.

        On the CPU each is seen alone: the last bits of a map depend on what else is in a batch. A GPU takes them
        together.
        """
        size = 1 if self.backbone.device.type == "cpu" else GPU_CLIPS
        for start in range(0, len(clips), size):
            some = clips[start : start + size]
            seen = see_clips(
                self.backbone, [clip for _, clip in some], stages=self.stages, settings=self.settings
            )
            for (digest, _), maps in zip(some, seen, strict=True):
                self._put(digest, maps)

    def _put(self, digest: str, maps: ClipMaps) -> None:
        for stage, stage_map in zip(self.stages, maps.maps, strict=True):
            tensors = {
                "map": stage_map.to(torch.float16),
                "pts_seconds": maps.pts_seconds,
                "duration_seconds": torch.tensor(maps.duration_seconds, dtype=torch.float64),
            }
            self.store.put(_KIND, self.key(stage), digest, tensors)

    def load(self, digest: str, stages: Sequence[Stage]) -> ClipMaps:
        """The maps of an embedded video.

        Raises:
            DataError: the video was not embedded, or its maps were removed meanwhile.
        """
        found = []
        for stage in stages:
            tensors = self.store.get(_KIND, self.key(stage), digest)
            if tensors is None:
                raise DataError(
                    f"the cached maps of video {digest} disappeared from {self.store.root}; run again"
                )
            found.append(tensors)
        return ClipMaps(
            tuple(tensors["map"].float() for tensors in found),
            found[0]["pts_seconds"],
            float(found[0]["duration_seconds"]),
        )
