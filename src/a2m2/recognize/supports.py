"""The enrolled clips: what is kept of each besides its descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from a2m2.data import DigestCache
from a2m2.data.store import FeatureStore
from a2m2.errors import DataError, DecodeError, undecodable
from a2m2.eval.maps import Progress
from a2m2.eval.threads import map_in_threads
from a2m2.eval.thumbnails import jpeg_thumbnails
from a2m2.recognition_records import Label
from a2m2.recognize.clips import ClipLike, clip_digest, clip_name, sample_clip
from a2m2.recognize.sources import Source
from a2m2.settings import VideoSettings
from a2m2.structures import Clip

_KIND = "thumbnails"


@dataclass(frozen=True)
class SupportClip:
    """One enrolled clip.

    Attributes:
        name: for people; no path of a machine.
        label: its class.
        digest: names its content.
        frame_seconds: presentation time of each sampled frame.
        duration_seconds: length of the clip.
        thumbnails: one JPEG file a sampled frame.
    """

    name: str
    label: Label
    digest: str
    frame_seconds: tuple[float, ...]
    duration_seconds: float
    thumbnails: tuple[bytes, ...] = field(repr=False)


def read_supports(
    source: Source,
    clips: Sequence[ClipLike],
    labels: Sequence[Label],
    *,
    store: FeatureStore,
    digests: DigestCache,
    num_threads: int,
    names: Sequence[str] | None = None,
    first: int = 0,
    progress: Progress | None = None,
) -> tuple[SupportClip, ...]:
    """Every clip decoded once, its features kept by ``source`` and its thumbnails in ``store``.

    What is stored already is not decoded again. Without ``names`` clips are called by their paths, or by their place:
    ``first`` is the position of the first clip among all those enrolled.

    Raises:
        UndecodableError: clips that cannot be decoded, named in one message; the others are stored by then.
        DataError: not one name a clip.
    """
    if names is not None and len(names) != len(clips):
        raise DataError(
            f"expected one name a clip, got {len(clips)} clips and {len(names)} names; match them"
        )

    def read(position: int) -> SupportClip | DecodeError:
        clip = clips[position]
        name = clip_name(clip, first + position) if names is None else names[position]
        digest = clip_digest(clip, digests)
        try:
            kept = _kept(clip, digest, source, store)
        except DecodeError as error:
            return error
        return SupportClip(
            name=name,
            label=labels[position],
            digest=digest,
            frame_seconds=tuple(kept["pts_seconds"].tolist()),
            duration_seconds=float(kept["duration_seconds"]),
            thumbnails=unpack_bytes(kept["bytes"], kept["lengths"]),
        )

    supports: list[SupportClip] = []
    broken: list[DecodeError] = []
    for result in map_in_threads(read, range(len(clips)), num_threads=num_threads):
        if isinstance(result, DecodeError):
            broken.append(result)
        else:
            supports.append(result)
        if progress is not None:
            progress("reading clips", len(supports) + len(broken), len(clips))
    if broken:
        raise undecodable(broken)
    return tuple(supports)


def _kept(clip: ClipLike, digest: str, source: Source, store: FeatureStore) -> dict[str, Tensor]:
    """Thumbnails and times of a clip, whose features the source keeps as well."""
    key = _key(source.video)
    stored = store.get(_KIND, key, digest)
    if stored is not None and source.holds(digest):
        return stored
    sampled = sample_clip(clip, source.video)
    source.keep(digest, sampled)
    tensors = _thumbnail_tensors(sampled)
    store.put(_KIND, key, digest, tensors)
    return tensors


def _thumbnail_tensors(clip: Clip) -> dict[str, Tensor]:
    data, lengths = pack_bytes(jpeg_thumbnails(clip))
    return {
        "bytes": data,
        "lengths": lengths,
        "pts_seconds": clip.pts_seconds.double(),
        "duration_seconds": torch.tensor(clip.duration_seconds, dtype=torch.float64),
    }


def _key(video: VideoSettings) -> str:
    return f"{video.policy}-{video.num_frames}"


def pack_bytes(files: Sequence[bytes]) -> tuple[Tensor, Tensor]:
    """Files end to end as one uint8 tensor, and the length of each."""
    joined = torch.frombuffer(bytearray(b"".join(files)), dtype=torch.uint8)
    return joined, torch.tensor([len(file) for file in files], dtype=torch.int64)


def unpack_bytes(data: Tensor, lengths: Tensor) -> tuple[bytes, ...]:
    """Inverse of :func:`pack_bytes`."""
    return tuple(part.numpy().tobytes() for part in data.split(lengths.tolist()))
