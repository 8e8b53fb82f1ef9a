"""Trained networks in an evaluation: each with its own matcher, or with others on its descriptors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.data import VideoRecord, read_video
from a2m2.data.store import FeatureStore
from a2m2.devices import CPU, GPU_CLIPS, encoding, key_parts, stacked
from a2m2.errors import ConfigError, DataError, DecodeError, undecodable
from a2m2.eval.entry import Entry
from a2m2.eval.maps import Progress
from a2m2.eval.runner import Contestant
from a2m2.eval.sources import FixedSource
from a2m2.eval.threads import map_in_threads
from a2m2.matching import Matcher
from a2m2.methods import find_method
from a2m2.moments import candidate_windows
from a2m2.settings import EvaluateSettings
from a2m2.structures import Clip, Descriptors
from a2m2.video import prepare
from a2m2.weights import FILE_NAME, SavedNetwork, load_network

_KIND = "descriptors"
_FORMAT = "network-1"
_BATCH = 8
_TEMPERATURE = "temperature.log_value"


class TrainedEntry(Entry):
    """Networks side by side.

    Without ``settings.methods`` every network runs its own matcher with its learned parts, and is called by the name
    of its folder. With methods, each of them reads the descriptors of every network. What ``settings.a2`` sets
    explicitly replaces what a network was trained with.

    Args:
        settings: of the evaluation.
        videos: the test clips.
        digests: content digest of each.
        store: where descriptors are kept.
        device: where clips are encoded.

    Raises:
        WeightsError: a network that cannot be read.
        ConfigError: networks that look at different frames, or options that a network has no weights for.
    """

    fit = "training"

    def __init__(
        self,
        settings: EvaluateSettings,
        videos: Sequence[VideoRecord],
        digests: Sequence[str],
        store: FeatureStore,
        device: torch.device = CPU,
    ) -> None:
        self._videos, self._digests, self._store = videos, digests, store
        self._networks = {
            name: load_network(place)
            for name, place in zip(names_of(settings.weights), settings.weights, strict=True)
        }
        for saved in self._networks.values():
            saved.network.encoder.to(device)
        first = next(iter(self._networks.values()))
        self.video = first.settings.video
        for name, saved in self._networks.items():
            seen = saved.settings.video
            if (seen.num_frames, seen.policy) != (self.video.num_frames, self.video.policy):
                raise ConfigError(
                    f"{name} looks at other frames ({seen.num_frames}, {seen.policy}) than "
                    f"{next(iter(self._networks))} ({self.video.num_frames}, {self.video.policy}); evaluate them "
                    "apart and use 'a2m2 compare'"
                )
        digest = hashlib.sha256("".join(saved.digest for saved in self._networks.values()).encode())
        self.weights_digest = first.digest if len(self._networks) == 1 else digest.hexdigest()[:16]
        self._matchers: dict[str, tuple[str, Matcher]] = {}
        self.descriptions = {}
        for name, saved in self._networks.items():
            for method in settings.methods or (saved.settings.method,):
                own = not settings.methods
                title = name if own else method if len(self._networks) == 1 else f"{name}:{method}"
                description, matcher = _matcher(saved, method, settings, name)
                self._matchers[title] = (name, matcher)
                self.descriptions[title] = f"trained; {description}"
        self._pts: Tensor | None = None

    def contestants(self, *, num_threads: int, progress: Progress | None) -> Sequence[Contestant]:
        sources = {}
        for name, saved in self._networks.items():
            described, self._pts = describe_videos(
                saved, self._videos, self._digests, self._store, num_threads=num_threads, progress=progress
            )
            sources[name] = FixedSource(described)
        return [
            Contestant(title, sources[name], matcher.eval())
            for title, (name, matcher) in self._matchers.items()
        ]

    def pts_seconds(self) -> Float[Tensor, "video time"]:
        assert self._pts is not None, "asked for before contestants()"
        return self._pts

    def plan(self) -> list[str]:
        lines = []
        for name, saved in self._networks.items():
            missing = sum(not is_described(saved, digest, self._store) for digest in self._digests)
            lines.append(
                f"network {name}: {saved.settings.method} on {saved.settings.backbone.source}, weights {saved.digest}, "
                f"{missing} of {len(self._videos)} test clips still to describe"
            )
        return lines


def names_of(places: Sequence[str]) -> list[str]:
    """A name for each network: its folder's, numbered where two are alike."""
    paths = [Path(place).resolve() for place in places]
    names = [_name_of(path) for path in paths]
    return [
        name if names.count(name) == 1 else f"{name}-{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]


def _name_of(path: Path) -> str:
    if path.name == FILE_NAME:
        return path.parent.name
    return path.stem if path.suffix == ".safetensors" else path.name


def describe_videos(
    saved: SavedNetwork,
    videos: Sequence[VideoRecord],
    digests: Sequence[str],
    store: FeatureStore,
    *,
    num_threads: int = 2,
    progress: Progress | None = None,
) -> tuple[Descriptors, Float[Tensor, "video time"]]:
    """Descriptors of all videos by a trained network, and the times of their frames; what is missing is computed.

    Clips are encoded where the encoder lies.

    Raises:
        DataError: videos that cannot be decoded, named in one message; the others are stored by then.
    """
    unique = dict(zip(digests, videos, strict=True))
    todo = [digest for digest in unique if not is_described(saved, digest, store)]
    size = _BATCH if _device(saved).type == "cpu" else GPU_CLIPS
    batches = [todo[start : start + size] for start in range(0, len(todo), size)]

    def describe(batch: Sequence[str]) -> list[DecodeError]:
        return _describe(saved, [(digest, unique[digest]) for digest in batch], store)

    broken: list[DecodeError] = []
    done = 0
    for batch, errors in zip(
        batches, map_in_threads(describe, batches, num_threads=num_threads), strict=True
    ):
        broken += errors
        done += len(batch)
        if progress is not None:
            progress("describing clips", done, len(todo))
    if broken:
        raise undecodable(broken)
    return load_descriptors(saved, digests, store)


def load_descriptors(
    saved: SavedNetwork, digests: Sequence[str], store: FeatureStore
) -> tuple[Descriptors, Float[Tensor, "video time"]]:
    """Stored descriptors of videos, and the times of their frames.

    Raises:
        DataError: some are not stored.
    """
    stack = store.load_many(_KIND, descriptor_key(saved), list(digests))
    if stack.missing:
        raise DataError(f"stored descriptors disappeared from {store.root}; run again")
    encoder = saved.network.encoder
    windows, scale = candidate_windows(saved.settings.video.num_frames, encoder.scales)
    descriptors = Descriptors(
        values=stack.tensors["values"],
        spans=stack.tensors["spans"],
        windows=windows,
        scale=scale,
        energy=stack.tensors["energy"],
        mean=None if encoder.mean is None else encoder.mean.cpu(),
        blocks=encoder.block_sizes,
    )
    return descriptors, stack.tensors["pts_seconds"]


def is_described(saved: SavedNetwork, digest: str, store: FeatureStore) -> bool:
    """Whether the descriptors of a video are stored."""
    return store.contains(_KIND, descriptor_key(saved), digest)


@torch.inference_mode()
def describe_clips(saved: SavedNetwork, clips: Sequence[Clip]) -> Descriptors:
    """Descriptors of decoded clips by a trained network, computed where its encoder lies; on the host."""
    video, device = saved.settings.video, _device(saved)
    prepared = [prepare(clip.frames, resize=video.resize, crop=video.crop) for clip in clips]
    pts = torch.stack([clip.pts_seconds for clip in clips])
    duration = torch.tensor([clip.duration_seconds for clip in clips], dtype=torch.float64)
    frames = stacked(prepared, device)
    with encoding(device):
        described = saved.network.encode(frames.to(device, non_blocking=True), pts, duration)
    return described.to(CPU)


def store_descriptors(saved: SavedNetwork, clips: Sequence[tuple[str, Clip]], store: FeatureStore) -> None:
    """Describe decoded clips and store what comes out, each under its content digest.

    On the CPU each is described alone: the last bits of a descriptor depend on what else is in a batch. A GPU takes
    them together.
    """
    key = descriptor_key(saved)
    size = 1 if _device(saved).type == "cpu" else GPU_CLIPS
    for start in range(0, len(clips), size):
        some = clips[start : start + size]
        described = describe_clips(saved, [clip for _, clip in some])
        for row, (digest, clip) in enumerate(some):
            tensors = {
                "values": described.values[row],
                "spans": described.spans[row],
                "energy": described.energy[row],
                "pts_seconds": clip.pts_seconds,
            }
            store.put(_KIND, key, digest, tensors)


def descriptor_key(saved: SavedNetwork) -> str:
    """Digest of everything but the video that a descriptor depends on, the kind of device among it."""
    parts = [_FORMAT, saved.digest, *key_parts(_device(saved))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _device(saved: SavedNetwork) -> torch.device:
    return saved.network.encoder.backbone.device


def _describe(
    saved: SavedNetwork, batch: Sequence[tuple[str, VideoRecord]], store: FeatureStore
) -> list[DecodeError]:
    video = saved.settings.video
    errors, good = [], []
    for digest, record in batch:
        try:
            good.append((digest, read_video(record, num_frames=video.num_frames, policy=video.policy)))
        except DecodeError as error:
            errors.append(error)
    if good:
        store_descriptors(saved, good, store)
    return errors


def _matcher(saved: SavedNetwork, method: str, settings: EvaluateSettings, name: str) -> tuple[str, Matcher]:
    """A method on the network's descriptors, with the parts of its matcher that the network has learnt."""
    changed = {field: getattr(settings.a2, field) for field in sorted(settings.a2.model_fields_set)}
    a2 = saved.settings.a2.model_copy(update=changed)
    own = find_method(saved.settings.method)(saved.settings.m2, saved.settings.a2).m2
    built = find_method(method)(own, a2)
    if built.m2 != own:
        raise ConfigError(
            f"method {method} reads other descriptors than the {own.kind} ones of {name}; choose another "
            "method, or evaluate it without a trained network"
        )
    learned = saved.network.matcher.state_dict()
    wanted = built.matcher.state_dict()
    lacking = wanted.keys() - learned.keys() - {_TEMPERATURE}
    if built.matcher.learnt and lacking:
        part = min(lacking).partition(".")[0]
        raise ConfigError(
            f"{name} was trained without the {part} of {method} with a2.weights {a2.weights}; choose another method or "
            "rule of weights, or train this one"
        )
    fixed = {_TEMPERATURE} if "temperature" in changed else set()
    kept = {key: value for key, value in learned.items() if key in wanted.keys() - fixed}
    built.matcher.load_state_dict({**wanted, **kept})
    return built.description, built.matcher
