"""Accuracy on episodes of the validation classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from a2m2.data import EpisodeSampler
from a2m2.eval.describe import concatenate
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.eval.stats import mean_interval
from a2m2.model import FewShotModel
from a2m2.train_settings import ValidationSettings

_BATCH = 16
_SEED = 0
"""The same episodes in every training, so that validation figures can be compared."""


@dataclass(frozen=True)
class ValidationResult:
    """Accuracy over validation episodes, a share, and the half-width of its 95 % interval."""

    accuracy: float
    interval95: float
    episodes: int


class Validator:
    """Tests a network on the same validation episodes every time.

    Args:
        frames: the validation clips as a test sees them.
        labels: class of each.
        names: of the classes.
        settings: the episodes.

    Raises:
        EpisodeError: classes with too few clips, which are named.
    """

    def __init__(
        self,
        frames: Sequence[UInt8[Tensor, "time 3 height width"]],
        labels: Sequence[int],
        names: Sequence[str],
        settings: ValidationSettings,
    ) -> None:
        self.frames = frames
        self.num_episodes = settings.episodes
        self.sampler = EpisodeSampler(
            labels,
            class_names=names,
            way=settings.way,
            shot=settings.shot,
            query=settings.query,
            seed=_SEED,
        )

    @torch.inference_mode()
    def __call__(self, network: FewShotModel) -> ValidationResult:
        """Accuracy of ``network``, which is left in the mode it was in."""
        modes = {module: module.training for module in network.modules()}
        network.eval()
        device = next(network.parameters()).device
        parts = []
        for start in range(0, len(self.frames), _BATCH):
            batch = torch.stack(list(self.frames[start : start + _BATCH])).to(device)
            parts.append(network.encode(batch.float() / 255))
        contestant = Contestant("network", FixedSource(concatenate(parts).to("cpu")), network.matcher.cpu())
        records = run_episodes([contestant], self.sampler.episode, self.num_episodes, num_threads=1)
        queries = self.sampler.way * self.sampler.query
        shares = [record.num_correct("network") / queries for record in records]
        network.matcher.to(device)
        for module, mode in modes.items():
            module.training = mode
        accuracy, interval = mean_interval(shares)
        return ValidationResult(accuracy, interval, len(shares))
