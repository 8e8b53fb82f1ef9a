"""Where an episode's descriptors come from.

Either every video was described beforehand with one fit, and an episode gathers; or the fit is made anew on each
episode's supports, as for someone who has nothing but the supports.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from a2m2.eval.describe import concatenate, describe, fit_clips
from a2m2.eval.maps import MapBank
from a2m2.settings import M2Settings
from a2m2.structures import Descriptors


class DescriptorSource(ABC):
    """Gives the descriptors of an episode's videos."""

    @abstractmethod
    def episode(self, support: Sequence[int], query: Sequence[int]) -> tuple[Descriptors, Descriptors]:
        """Descriptors of the support and of the query videos, given by their positions in the run's list.

        They hold until the same thread asks for the next episode.
        """


class FixedSource(DescriptorSource):
    """All videos described beforehand.

    Every thread gathers into the same memory again and again: new pages for every episode would cost a fifth of its
    time.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        self.descriptors = descriptors
        self._kept = threading.local()

    def episode(self, support: Sequence[int], query: Sequence[int]) -> tuple[Descriptors, Descriptors]:
        return self._gathered("support", support), self._gathered("query", query)

    def _gathered(self, side: str, videos: Sequence[int]) -> Descriptors:
        values = self.descriptors.values
        kept: Tensor | None = getattr(self._kept, side, None)
        if kept is None or len(kept) < len(videos):
            # A tensor made in inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                kept = torch.empty((len(videos), *values.shape[1:]), dtype=values.dtype, device=values.device)
            setattr(self._kept, side, kept)
        index = torch.tensor(videos, device=values.device)
        return replace(
            self.descriptors,
            values=torch.index_select(values, 0, index, out=kept[: len(videos)]),
            spans=self.descriptors.spans[index],
            energy=self.descriptors.energy[index],
        )


class SupportFitSource(DescriptorSource):
    """Reduction and mean descriptor fitted on the supports of each episode.

    Args:
        bank: maps of all videos, embedded.
        digests: content digest of each video of the run.
        settings: the representation.
    """

    def __init__(self, bank: MapBank, digests: Sequence[str], settings: M2Settings) -> None:
        self.bank = bank
        self.digests = digests
        self.settings = settings

    def episode(self, support: Sequence[int], query: Sequence[int]) -> tuple[Descriptors, Descriptors]:
        stages = self.settings.stages
        supports = [self.bank.load(self.digests[index], stages) for index in support]
        queries = [self.bank.load(self.digests[index], stages) for index in query]
        fit = fit_clips(self.settings, lambda: supports)
        described = [list(describe(self.settings, fit, clips)) for clips in (supports, queries)]
        return concatenate(described[0]), concatenate(described[1])
