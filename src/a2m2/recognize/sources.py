"""Where a recogniser's eyes come from: a frozen backbone, to be fitted on the supports, or a trained network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch

from a2m2.data.store import FeatureStore
from a2m2.devices import CPU
from a2m2.eval.describe import concatenate, describe, fit_clips
from a2m2.eval.maps import ClipMaps, MapBank
from a2m2.eval.trained import is_described, load_descriptors, store_descriptors
from a2m2.nn import Backbone, load_backbone
from a2m2.recognize.encoders import ClipEncoder, FrozenEncoder, TrainedEncoder
from a2m2.recognize.origin import MOTION_FILTERS, Origin
from a2m2.settings import A2Settings, BackboneSettings, M2Settings, Stage, VideoSettings
from a2m2.structures import Clip, Descriptors
from a2m2.train_settings import NetworkSettings
from a2m2.weights import load_network


class Source(ABC):
    """Describes supports; features of a clip are kept in a store under its content digest.

    Attributes:
        video: which frames are looked at.
        fitted: whether the supports as a whole decide what a clip's descriptors are.
        description: one line for people.
    """

    video: VideoSettings
    fitted: bool
    description: str

    @abstractmethod
    def holds(self, digest: str) -> bool:
        """Whether the features of a clip are stored."""

    @abstractmethod
    def keep(self, digest: str, clip: Clip) -> None:
        """Compute and store the features of a clip."""

    @abstractmethod
    def encoders(self, digests: Sequence[str]) -> Iterator[tuple[ClipEncoder, Descriptors]]:
        """The encoders that may be chosen, the standing one first, each with the descriptors of the supports.

        Args:
            digests: of the supports, all of them kept.
        """

    @abstractmethod
    def describe(self, encoder: ClipEncoder, digests: Sequence[str]) -> Descriptors:
        """Descriptors of kept clips by one of :meth:`encoders`, as it is."""


class FrozenSource(Source):
    """A backbone without training.

    Args:
        backbone: built for the stages of :func:`stage_choices`.
        choices: settings that may be chosen, the standing one first.
        store: keeps maps.
    """

    fitted = True

    def __init__(self, backbone: Backbone, choices: Sequence[NetworkSettings], store: FeatureStore) -> None:
        self.choices = tuple(choices)
        self.video = self.choices[0].video
        stages = dict.fromkeys(stage for settings in self.choices for stage in settings.m2.stages)
        self.bank = MapBank(store, backbone, self.video, tuple(stages))
        self.description = f"{self.choices[0].backbone.source}, weights {self.bank.backbone_digest}"

    def holds(self, digest: str) -> bool:
        return self.bank.holds(digest)

    def keep(self, digest: str, clip: Clip) -> None:
        self.bank.store_clips([(digest, clip)])

    def encoders(self, digests: Sequence[str]) -> Iterator[tuple[ClipEncoder, Descriptors]]:
        for settings in self.choices:

            def maps(stages: tuple[Stage, ...] = settings.m2.stages) -> Iterator[ClipMaps]:
                return (self.bank.load(digest, stages) for digest in digests)

            fit = fit_clips(settings.m2, maps, shrinkage=shrinkage_for(len(digests)))
            encoder = FrozenEncoder(self.bank.backbone, settings, fit)
            yield encoder, self.describe(encoder, digests)

    def describe(self, encoder: ClipEncoder, digests: Sequence[str]) -> Descriptors:
        assert isinstance(encoder, FrozenEncoder)
        m2 = encoder.settings.m2
        maps = (self.bank.load(digest, m2.stages) for digest in digests)
        return concatenate(list(describe(m2, encoder.fit, maps, device=encoder.device)))


class TrainedSource(Source):
    """A trained network: every clip's descriptors are its own.

    Args:
        encoder: the network.
        store: keeps descriptors.
    """

    fitted = False

    def __init__(self, encoder: TrainedEncoder, store: FeatureStore) -> None:
        self.encoder = encoder
        self.video = encoder.video
        self.store = store
        self.description = encoder.description

    def holds(self, digest: str) -> bool:
        return is_described(self.encoder.saved, digest, self.store)

    def keep(self, digest: str, clip: Clip) -> None:
        store_descriptors(self.encoder.saved, [(digest, clip)], self.store)

    def encoders(self, digests: Sequence[str]) -> Iterator[tuple[ClipEncoder, Descriptors]]:
        yield self.encoder, self.describe(self.encoder, digests)

    def describe(self, encoder: ClipEncoder, digests: Sequence[str]) -> Descriptors:
        return load_descriptors(self.encoder.saved, digests, self.store)[0]


def open_source(
    origin: Origin, *, num_frames: int, size: int, store: FeatureStore, device: torch.device = CPU
) -> Source:
    """The source called ``origin``, on ``device``; frames and size are for a backbone, a network has its own.

    Raises:
        WeightsError: there is none, or it cannot be read.
        ConfigError: a network with another matcher than A².
    """
    if origin.kind == "weights":
        encoder = TrainedEncoder(load_network(origin.name), origin)
        encoder.to(device)
        return TrainedSource(encoder, store)
    choices = frozen_settings(origin.name, num_frames=num_frames, size=size)
    stages = dict.fromkeys(stage for settings in choices for stage in settings.m2.stages)
    return FrozenSource(load_backbone(origin.name, stages=tuple(stages)).to(device), choices, store)


def source_of(encoder: ClipEncoder, store: FeatureStore) -> Source:
    """The source that an encoder came from, on the same device."""
    if isinstance(encoder, TrainedEncoder):
        return TrainedSource(encoder, store)
    video = encoder.video
    return open_source(
        encoder.origin, num_frames=video.num_frames, size=video.crop, store=store, device=encoder.device
    )


def frozen_settings(name: str, *, num_frames: int, size: int) -> tuple[NetworkSettings, ...]:
    """What may be chosen for a backbone, the standing choice first: which of its maps to read.

    The rest are the settings that were best on real clips without training: difference channels, centring, uniform
    node weights. Both maps in one cost were best on most sets, the middle one alone where hands move.
    """
    video = VideoSettings(num_frames=num_frames, resize=size, crop=size)
    # The filter bank has one map only.
    choices = (("mid",),) if name == MOTION_FILTERS else (("mid", "last"), ("mid",))
    return tuple(
        NetworkSettings(
            method="a2m2_net",
            video=video,
            backbone=BackboneSettings(source=name),
            m2=M2Settings(stages=stages),
            a2=A2Settings(weights="uniform"),
        )
        for stages in choices
    )


def shrinkage_for(num_clips: int) -> float:
    """Share of the channels' covariance that becomes a multiple of the identity, for a fit on few clips.

    The positions of one clip look alike, so clips count and not positions: 1 / (1 + clips), our choice.
    """
    return 1 / (1 + num_clips)
