"""Described videos of a data set: maps, fits and descriptors, each kept under a digest of what made it.

The order of work for one representation: fit on the fitting clips unless that fit is stored; describe the test
clips unless they are stored; compute maps only for what those two steps still need. A second method on the same
descriptors costs no decoding and no forward pass, and neither does a second run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from a2m2.data import VideoRecord
from a2m2.data.store import FeatureStore
from a2m2.errors import DataError
from a2m2.eval.describe import Fit, describe, fit_clips, scales_of
from a2m2.eval.maps import ClipMaps, MapBank, Progress
from a2m2.moments import candidate_windows
from a2m2.settings import M2Settings
from a2m2.structures import Descriptors

_DESCRIPTORS = "descriptors"
_FITS = "fits"
_FORMAT = 2
"""Of descriptors and fits: 1 did not heed ``m2.eps``."""


class Library:
    """Videos to test on and videos to fit on, with their cached features.

    Args:
        bank: maps of all of them.
        videos: videos to describe.
        digests: content digest of each.
        fit_videos: videos to fit on; may be the same.
        fit_digests: content digest of each.
        num_threads: clips and episodes worked on at the same time.
        progress: told about long steps.

    Attributes:
        pts_seconds: ``(video, time)`` times of the sampled frames, known once something was described.
    """

    def __init__(
        self,
        bank: MapBank,
        videos: Sequence[VideoRecord],
        digests: Sequence[str],
        fit_videos: Sequence[VideoRecord],
        fit_digests: Sequence[str],
        *,
        num_threads: int = 2,
        progress: Progress | None = None,
    ) -> None:
        self.bank = bank
        self.videos = videos
        self.digests = digests
        self.fit_videos = fit_videos
        self.fit_digests = fit_digests
        self.num_threads = num_threads
        self.progress = progress
        self.pts_seconds: Tensor | None = None
        self._stacks: dict[str, dict[str, Tensor]] = {}

    @property
    def store(self) -> FeatureStore:
        """Where everything is kept."""
        return self.bank.store

    def prepare(self, representations: Sequence[M2Settings]) -> None:
        """Compute the maps that describing in all of ``representations`` still needs, decoding each video once."""
        fits_missing = any(self._stored_fit(settings) is None for settings in representations)
        undescribed = sorted({index for settings in representations for index in self._undescribed(settings)})
        videos = [self.videos[index] for index in undescribed]
        digests = [self.digests[index] for index in undescribed]
        if fits_missing:
            videos += self.fit_videos
            digests += self.fit_digests
        unique = dict(zip(digests, videos, strict=True))
        self.bank.embed(
            list(unique.values()), list(unique), progress=self.progress, num_threads=self.num_threads
        )

    def describe(self, settings: M2Settings) -> Descriptors:
        """Descriptors of all videos, in order; what is missing is computed and stored."""
        fit = self.fit(settings)
        key = self.key(settings)
        todo = self._undescribed(settings)
        maps = self._maps([self.digests[index] for index in todo], settings)
        pts: list[Tensor] = []
        done = 0
        device = self.bank.backbone.device
        for part in describe(settings, fit, _noting_pts(maps, pts), device=device):
            for row in range(len(part)):
                tensors = {
                    "pts_seconds": pts[done],
                    "values": part.values[row],
                    "spans": part.spans[row],
                    "energy": part.energy[row],
                    "blocks": torch.tensor(part.blocks),
                }
                self.store.put(_DESCRIPTORS, key, self.digests[todo[done]], tensors)
                done += 1
            if self.progress is not None:
                self.progress("describing clips", done, len(todo))
        if self._undescribed(settings):
            raise DataError(f"stored descriptors disappeared from {self.store.root}; run again")
        stack = self._stacks.pop(key)
        self.pts_seconds = stack["pts_seconds"]
        windows, scale = candidate_windows(stack["energy"].shape[1], scales_of(settings))
        return Descriptors(
            values=stack["values"],
            spans=stack["spans"],
            windows=windows,
            scale=scale,
            energy=stack["energy"],
            mean=fit.mean,
            blocks=tuple(stack["blocks"][0].tolist()),
        )

    def fit(self, settings: M2Settings) -> Fit:
        """Reduction and mean descriptor of the fitting clips, stored or computed now."""
        stored = self._stored_fit(settings)
        if stored is not None:
            return stored
        if self.progress is not None:
            self.progress("fitting reduction", 0, 1)
        fit = fit_clips(settings, lambda: self._maps(self.fit_digests, settings))
        self.store.put(_FITS, self.key(settings), _list_digest(self.fit_digests), fit.to_tensors())
        if self.progress is not None:
            self.progress("fitting reduction", 1, 1)
        return fit

    def key(self, settings: M2Settings) -> str:
        """Digest of everything but the video that a descriptor depends on."""
        parts = [
            _FORMAT,
            settings.digest(),
            *(self.bank.key(stage) for stage in settings.stages),
            _list_digest(self.fit_digests),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]

    def _maps(self, digests: Sequence[str], settings: M2Settings) -> Iterator[ClipMaps]:
        return (self.bank.load(digest, settings.stages) for digest in digests)

    def _stored_fit(self, settings: M2Settings) -> Fit | None:
        tensors = self.store.get(_FITS, self.key(settings), _list_digest(self.fit_digests))
        return None if tensors is None else Fit.from_tensors(tensors)

    def _undescribed(self, settings: M2Settings) -> tuple[int, ...]:
        """Positions of the videos without descriptors; when there are none, the stack is kept for ``describe``."""
        key = self.key(settings)
        if key in self._stacks:
            return ()
        stack = self.store.load_many(_DESCRIPTORS, key, self.digests)
        if not stack.missing:
            self._stacks[key] = stack.tensors
        return stack.missing


def _list_digest(digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:32]


def _noting_pts(clips: Iterator[ClipMaps], pts: list[Tensor]) -> Iterator[ClipMaps]:
    for clip in clips:
        pts.append(clip.pts_seconds)
        yield clip
