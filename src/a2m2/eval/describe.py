"""From feature maps to descriptors, with a reduction and a mean descriptor fitted on given clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.devices import CPU, encoding
from a2m2.errors import DataError
from a2m2.eval.maps import ClipMaps
from a2m2.moments import Scale
from a2m2.networks import m2_block
from a2m2.nn import M2Block, MomentAccumulator, Reduction, fit_reduction, join_descriptors
from a2m2.settings import M2Settings
from a2m2.structures import Descriptors

_BATCH = 16

Clips = Callable[[], Iterable[ClipMaps]]
"""Gives the same clips each time it is called."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What is learnt from clips without training.

    Attributes:
        reductions: one a stage.
        mean: mean descriptor, None when the settings ask for no centring.
    """

    reductions: tuple[Reduction, ...]
    mean: Float[Tensor, "dim"] | None

    def to_tensors(self) -> dict[str, Tensor]:
        """Named tensors, for a store."""
        tensors = {} if self.mean is None else {"mean": self.mean}
        for stage, reduction in enumerate(self.reductions):
            tensors[f"{stage}.mean"] = reduction.mean
            tensors[f"{stage}.basis"] = reduction.basis
            tensors[f"{stage}.eigenvalues"] = reduction.eigenvalues
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Fit:
        """Inverse of :meth:`to_tensors`.

        Copied as torch lays them out itself: the last bits of a product depend on place and order in memory.
        """
        tensors = {
            name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
        }
        num_stages = sum(name.endswith(".basis") for name in tensors)
        reductions = tuple(
            Reduction(tensors[f"{stage}.mean"], tensors[f"{stage}.basis"], tensors[f"{stage}.eigenvalues"])
            for stage in range(num_stages)
        )
        return cls(reductions, tensors.get("mean"))


def fit_clips(settings: M2Settings, clips: Clips, *, shrinkage: float = 0.0) -> Fit:
    """Principal components of each stage, then the plain mean of the descriptors over clips and candidates.

    The same bits come out as from a store. ``shrinkage`` is that of :func:`a2m2.nn.fit_reduction`.
    """
    reductions = Fit.from_tensors(
        Fit(_fit_reductions(settings, clips, shrinkage), None).to_tensors()
    ).reductions
    if not settings.center:
        return Fit(reductions, None)
    blocks = _blocks(settings, reductions)
    total, count = torch.zeros(()), 0
    for batch in _batched(clips()):
        values = _describe_batch(blocks, batch).values
        total = total + values.double().sum((0, 1))
        count += values.shape[0] * values.shape[1]
    return Fit(reductions, (total / count).float())


def describe(
    settings: M2Settings, fit: Fit, clips: Iterable[ClipMaps], *, device: torch.device = CPU
) -> Iterator[Descriptors]:
    """Descriptors of clips, one after the other, computed on ``device``; on the host.

    Alone, since the last bits of a product depend on what else is in a batch, and a run that goes on after a kill has
    other clips left.
    """
    blocks = tuple(block.to(device) for block in _blocks(settings, fit.reductions))
    for clip in clips:
        yield replace(_describe_batch(blocks, [clip], device=device), mean=fit.mean)


def scales_of(settings: M2Settings) -> tuple[Scale, ...]:
    """The scales of a representation as values."""
    return tuple(Scale(*scale) for scale in settings.scales)


def concatenate(parts: Sequence[Descriptors]) -> Descriptors:
    """Descriptors of one encoder and fit as one batch."""
    return replace(
        parts[0],
        values=torch.cat([part.values for part in parts]),
        spans=torch.cat([part.spans for part in parts]),
        energy=torch.cat([part.energy for part in parts]),
    )


def _fit_reductions(settings: M2Settings, clips: Clips, shrinkage: float) -> tuple[Reduction, ...]:
    first = next(iter(clips()), None)
    if first is None:
        raise DataError("cannot fit a reduction: expected at least one clip to fit on, got none")
    if settings.components is None:
        return tuple(Reduction.identity(stage_map.shape[1]) for stage_map in first.maps)
    accumulators = tuple(MomentAccumulator() for _ in first.maps)
    for clip in clips():
        for accumulator, stage_map in zip(accumulators, clip.maps, strict=True):
            accumulator.update(stage_map)
    return tuple(
        fit_reduction(
            accumulator, num_components=min(settings.components, stage_map.shape[1]), shrinkage=shrinkage
        )
        for accumulator, stage_map in zip(accumulators, first.maps, strict=True)
    )


def _blocks(settings: M2Settings, reductions: Sequence[Reduction]) -> tuple[M2Block, ...]:
    return tuple(m2_block(settings, reduction) for reduction in reductions)


@torch.inference_mode()
def _describe_batch(
    blocks: Sequence[M2Block], clips: Sequence[ClipMaps], *, device: torch.device = CPU
) -> Descriptors:
    pts = torch.stack([clip.pts_seconds for clip in clips])
    duration = torch.tensor([clip.duration_seconds for clip in clips], dtype=torch.float64)
    with encoding(device):
        parts = [
            block(torch.stack([clip.maps[stage] for clip in clips]).to(device), pts, duration)
            for stage, block in enumerate(blocks)
        ]
        return join_descriptors(parts).to(CPU)


def _batched(clips: Iterable[ClipMaps]) -> Iterator[list[ClipMaps]]:
    iterator = iter(clips)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
