"""From sampled frames to descriptors, and the matcher that reads them: fixed once the supports are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.devices import CPU, encoding
from a2m2.errors import ConfigError
from a2m2.eval.describe import Fit, concatenate, describe
from a2m2.eval.maps import ClipMaps, see_clips, see_frames
from a2m2.eval.trained import describe_clips
from a2m2.matching import A2Matcher
from a2m2.methods import METHODS, find_method
from a2m2.nn import Backbone
from a2m2.recognize.confidence import (
    COHORT_DEFAULT,
    FROZEN_DEFAULT,
    TRAINED_DEFAULT,
    DefaultConfidence,
)
from a2m2.recognize.origin import Origin
from a2m2.settings import VideoSettings
from a2m2.structures import Clip, Descriptors
from a2m2.train_settings import NetworkSettings
from a2m2.weights import SavedNetwork, cohort_tensors

ORDER_PRIORS = (0.0, 0.3)
"""λ without and with an order prior. 0.3 on motion progress is what ``a2_ordered`` takes, too."""


Seen = tuple[Float[Tensor, "time ..."], ...]
"""What is kept of frames that several clips share, one entry a stage, or the frames alone."""


class ClipEncoder(ABC):
    """Clips to descriptors.

    Attributes:
        origin: what it was made from.
        settings: of frames, representation and matcher.
        digest: 16 hex digits that name the weights.
        description: one line for people.
        order_priors: order priors that its matcher may have, the standing one first.
        default_confidence: of scores that cannot be calibrated.
        mean: ``(dim,)`` mean descriptor that centring subtracts, or None.
        cohort: strangers that scores are relative to, or None.
        architecture: what its network is built from again; None for a backbone that is opened by name.
        provenance: where trained weights come from, as their training wrote it.
    """

    origin: Origin
    settings: NetworkSettings
    digest: str
    description: str
    order_priors: tuple[float, ...]
    default_confidence: DefaultConfidence
    mean: Float[Tensor, "dim"] | None
    cohort: Descriptors | None = None
    architecture: dict[str, Any] | None = None
    provenance: Mapping[str, Any] = MappingProxyType({})

    @property
    def video(self) -> VideoSettings:
        """Which frames are looked at."""
        return self.settings.video

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it encodes."""

    @abstractmethod
    def to(self, device: torch.device) -> None:
        """Encode there from now on. Descriptors, matching and all that a file holds stay on the host."""

    @abstractmethod
    def describe(self, clips: Sequence[Clip]) -> Descriptors:
        """Descriptors of clips sampled as ``video`` says."""

    @abstractmethod
    def see(self, pixels: Float[Tensor, "time 3 crop crop"]) -> Seen:
        """What to keep of frames that several clips will share: their maps where the backbone sees every frame alone,
        else the frames themselves.

        Args:
            pixels: frames prepared as ``video`` says.
        """

    @abstractmethod
    def describe_seen(
        self,
        seen: tuple[Float[Tensor, "clip time ..."], ...],
        pts_seconds: Float[Tensor, "clip time"],
        duration_seconds: Float[Tensor, "clip"],
    ) -> Descriptors:
        """Descriptors of clips whose frames went through :meth:`see`; those of :meth:`describe` but for rounding."""

    @abstractmethod
    def matcher(self, order_prior: float) -> A2Matcher:
        """The matcher with one of ``order_priors``, in evaluation mode."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All that a file must hold of it."""


class FrozenEncoder(ClipEncoder):
    """A backbone as it is, behind a reduction and a mean descriptor fitted on the supports.

    Args:
        backbone: built for at least the stages of the settings.
        settings: what the descriptors are.
        fit: reduction and mean descriptor.
    """

    order_priors = ORDER_PRIORS
    default_confidence = FROZEN_DEFAULT

    def __init__(self, backbone: Backbone, settings: NetworkSettings, fit: Fit) -> None:
        self.origin = Origin("backbone", settings.backbone.source)
        self.backbone = backbone
        self.settings = settings
        # Rows one after the other, as a file gives them back: the last bits of a product depend on the layout.
        self.fit = Fit.from_tensors({name: tensor.contiguous() for name, tensor in fit.to_tensors().items()})
        self.mean = self.fit.mean
        self.digest = backbone.digest()
        stages = " and ".join(map(str, settings.m2.stages))
        self.description = (
            f"{settings.backbone.source}, weights {self.digest}, stage {stages}, fitted on the enrolled clips"
        )

    @property
    def device(self) -> torch.device:
        return self.backbone.device

    def to(self, device: torch.device) -> None:
        self.backbone.to(device)

    def describe(self, clips: Sequence[Clip]) -> Descriptors:
        m2 = self.settings.m2
        maps = see_clips(self.backbone, clips, stages=m2.stages, settings=self.video)
        return concatenate(list(describe(m2, self.fit, maps, device=self.device)))

    def see(self, pixels: Float[Tensor, "time 3 crop crop"]) -> Seen:
        if not self.backbone.frame_by_frame:
            return (pixels,)
        maps = see_frames(self.backbone, pixels[None], stages=self.settings.m2.stages)
        return tuple(stage_map[0] for stage_map in maps)

    def describe_seen(
        self,
        seen: tuple[Float[Tensor, "clip time ..."], ...],
        pts_seconds: Float[Tensor, "clip time"],
        duration_seconds: Float[Tensor, "clip"],
    ) -> Descriptors:
        m2 = self.settings.m2
        if not self.backbone.frame_by_frame:
            (frames,) = seen
            seen = see_frames(self.backbone, frames, stages=m2.stages)
        maps = [
            ClipMaps(tuple(part[clip].float() for part in seen), pts, float(duration_seconds[clip]))
            for clip, pts in enumerate(pts_seconds.double())
        ]
        return concatenate(list(describe(m2, self.fit, maps, device=self.device)))

    def matcher(self, order_prior: float) -> A2Matcher:
        return _a2_matcher(self.settings, order_prior)

    def tensors(self) -> dict[str, Tensor]:
        return self.fit.to_tensors()


class TrainedEncoder(ClipEncoder):
    """A network that was trained, its matcher with it.

    Args:
        saved: the network.
        origin: where it was found.

    Raises:
        ConfigError: its matcher is not A² with one target a video, which enrolling is made for.
    """

    def __init__(self, saved: SavedNetwork, origin: Origin) -> None:
        self.origin = origin
        self.saved = saved
        self.settings = saved.settings
        self.digest = saved.digest
        self.mean = saved.network.encoder.mean
        self.cohort = saved.cohort
        self.default_confidence = TRAINED_DEFAULT if saved.cohort is None else COHORT_DEFAULT
        self.architecture = saved.network.encoder.backbone.architecture()
        self.provenance = saved.provenance
        self.description = (
            f"{Path(origin.name).name}, trained {saved.settings.method}, weights {saved.digest}"
        )
        matcher = saved.network.matcher
        named = saved.settings.method in METHODS
        if not named or not isinstance(matcher, A2Matcher) or not matcher.mean_of_pairs:
            raise ConfigError(
                f"{saved.path} was trained with the matcher of {saved.settings.method}, shots "
                f"{saved.settings.a2.shots}; a recogniser needs a2m2_net with shots per_video, so train that"
            )
        self.order_priors = (matcher.order_prior,) if matcher.order_prior > 0 else ORDER_PRIORS

    @property
    def device(self) -> torch.device:
        return self.saved.network.encoder.backbone.device

    def to(self, device: torch.device) -> None:
        # The matcher stays on the host.
        self.saved.network.encoder.to(device)

    def describe(self, clips: Sequence[Clip]) -> Descriptors:
        return describe_clips(self.saved, clips)

    @torch.inference_mode()
    def see(self, pixels: Float[Tensor, "time 3 crop crop"]) -> Seen:
        backbone = self.saved.network.encoder.backbone
        if not backbone.frame_by_frame:
            return (pixels,)
        with encoding(self.device):
            return tuple(stage_map[0] for stage_map in backbone(pixels[None].to(self.device)))

    @torch.inference_mode()
    def describe_seen(
        self,
        seen: tuple[Float[Tensor, "clip time ..."], ...],
        pts_seconds: Float[Tensor, "clip time"],
        duration_seconds: Float[Tensor, "clip"],
    ) -> Descriptors:
        encoder = self.saved.network.encoder
        with encoding(self.device):
            if encoder.backbone.frame_by_frame:
                described = encoder.describe(seen, pts_seconds, duration_seconds)
            else:
                (frames,) = seen
                described = self.saved.network.encode(frames.to(self.device), pts_seconds, duration_seconds)
        return described.to(CPU)

    def matcher(self, order_prior: float) -> A2Matcher:
        own = self.saved.network.matcher
        assert isinstance(own, A2Matcher)
        if order_prior == own.order_prior:
            return own
        matcher = _a2_matcher(self.settings, order_prior)
        matcher.load_state_dict(own.state_dict())
        return matcher

    def tensors(self) -> dict[str, Tensor]:
        cohort = {} if self.cohort is None else cohort_tensors(self.cohort)
        weights = {name: tensor.cpu() for name, tensor in self.saved.network.state_dict().items()}
        return weights | cohort


def _a2_matcher(settings: NetworkSettings, order_prior: float) -> A2Matcher:
    a2 = settings.a2
    if order_prior != a2.order_prior:
        a2 = a2.model_copy(update={"order_prior": order_prior, "order_axis": "progress"})
    matcher = find_method(settings.method)(settings.m2, a2).matcher
    assert isinstance(matcher, A2Matcher)
    return matcher.eval()
