"""Beginning an index: what to see with, once and for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from a2m2.data.store import FeatureStore
from a2m2.devices import CPU, DeviceName, find_device
from a2m2.errors import ConfigError, DataError, DecodeError
from a2m2.eval.maps import Progress
from a2m2.library.eyes import FILE as EYES
from a2m2.library.eyes import read_eyes, write_eyes
from a2m2.library.first_pass import SMALLEST
from a2m2.recognize.clips import sample_clip
from a2m2.recognize.encoders import ClipEncoder
from a2m2.recognize.origin import DEFAULT_ORIGIN, Origin
from a2m2.recognize.sources import Source, TrainedSource, open_source
from a2m2.weights import load_network


@dataclass(frozen=True)
class IndexSettings:
    """How a collection is indexed.

    Attributes:
        origin: what to see with; None for what the index was begun with, or the shipped network.
        num_frames, size: of the frames that a backbone sees; a network has its own.
        fit_clips: clips that the reduction behind a backbone is fitted on.
        shard_size: contents a shard; the work that a kill can lose.
        smallest: contents up to which there is no first pass.
        num_threads: clips worked on at the same time; the index does not depend on it.
        engine: what describes clips, threads of this process or workers of a Ray cluster; nor on this.
        device: where clips are encoded; last digits depend on it. Workers of Ray use the CPU.
    """

    origin: Origin | None = None
    num_frames: int = 8
    size: int = 224
    fit_clips: int = 256
    shard_size: int = 128
    smallest: int = SMALLEST
    num_threads: int = 2
    engine: Literal["local", "ray"] = "local"
    device: DeviceName = "auto"

    def found_device(self) -> torch.device:
        """The device that is meant.

        Raises:
            ConfigError: a GPU for workers of Ray, or where there is none.
        """
        if self.engine == "ray":
            if self.device == "cuda":
                raise ConfigError(
                    "workers of Ray encode on the CPU; leave the device out, or use the local engine"
                )
            return CPU
        return find_device(self.device)


def describe_eyes(folder: Path, settings: IndexSettings, cache: Path) -> str:
    """What an index sees with or would see with, in one line.

    Raises:
        WeightsError, ConfigError: as :func:`begin`.
    """
    if (folder / EYES).is_file():
        return _begun_with(folder, settings).description
    return _source(settings, cache).description


def begin(
    folder: Path, contents: Mapping[str, Path], settings: IndexSettings, cache: Path, progress: Progress
) -> ClipEncoder:
    """The encoder that an index was begun with, or a new one, which is written into its folder.

    Raises:
        WeightsError: an encoder that is not to be had, or a damaged one in the folder.
        ConfigError: the index was begun with another one than the settings ask for.
        DataError: a reduction must be fitted, and no clip can be decoded.
    """
    if not (folder / EYES).is_file():
        write_eyes(folder, _new(_source(settings, cache), contents, settings, progress))
    # Read back in any case: a resumed run must not see with other bits than the first.
    encoder = _begun_with(folder, settings)
    encoder.to(settings.found_device())
    return encoder


def _begun_with(folder: Path, settings: IndexSettings) -> ClipEncoder:
    encoder = read_eyes(folder)
    asked = settings.origin
    if asked is None:
        return encoder
    if asked.kind == "weights":
        same = load_network(asked.name).digest == encoder.digest
    else:
        video = encoder.video
        same = (asked, settings.num_frames, settings.size) == (encoder.origin, video.num_frames, video.crop)
    if not same:
        raise ConfigError(
            f"{folder} was described with {encoder.description}, {encoder.video.num_frames} frames of "
            f"{encoder.video.crop} pixels, but something else was asked for ({asked.name}); ask for nothing and it "
            "goes on, or index into another folder"
        )
    return encoder


def _new(
    source: Source, contents: Mapping[str, Path], settings: IndexSettings, progress: Progress
) -> ClipEncoder:
    if isinstance(source, TrainedSource):
        return source.encoder
    encoder, _ = next(source.encoders(_fit_sample(source, contents, settings, progress)))
    return encoder


def _fit_sample(
    source: Source, contents: Mapping[str, Path], settings: IndexSettings, progress: Progress
) -> list[str]:
    """Contents to fit a reduction on, their features kept: those of the least digests, which is as good as chance."""
    kept: list[str] = []
    for digest in sorted(contents):
        if len(kept) == settings.fit_clips:
            break
        if not source.holds(digest):
            try:
                source.keep(digest, sample_clip(contents[digest], source.video))
            except DecodeError:
                # It is met again, and named, when all clips are described.
                continue
        kept.append(digest)
        progress("clips to fit on", len(kept), min(settings.fit_clips, len(contents)))
    if not kept:
        raise DataError(f"none of the {len(contents)} clips can be decoded; give other ones")
    return kept


def _source(settings: IndexSettings, cache: Path) -> Source:
    return open_source(
        settings.origin or DEFAULT_ORIGIN,
        num_frames=settings.num_frames,
        size=settings.size,
        store=FeatureStore(cache / "features"),
        device=settings.found_device(),
    )
