"""A backbone with one M² block a stage: clips in, descriptors of all stages joined out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from a2m2.moments import Scale
from a2m2.nn.backbone import Backbone, Frames, StageMaps
from a2m2.nn.m2 import M2Block
from a2m2.structures import Descriptors


class Encoder(nn.Module):
    """Clips to :class:`Descriptors`.

    The two halves can be called apart, with a cache between them: ``maps = encoder.backbone(frames)``, then
    ``encoder.describe(maps, …)``; maps may have been kept as float16.

    Args:
        backbone: gives one map a stage.
        blocks: one M² block a stage, in the same order, all with the same scales.

    Attributes:
        dims: length of each stage's part of a descriptor.
        block_sizes: sizes of the parts that are normalised alone, one or two a stage.

    Raises:
        ValueError: another number of blocks than stages, or blocks with different scales.
    """

    def __init__(self, backbone: Backbone, blocks: Sequence[M2Block]) -> None:
        super().__init__()
        if len(blocks) != len(backbone.stages):
            raise ValueError(
                f"expected one block for each of {len(backbone.stages)} stages, got {len(blocks)}"
            )
        if any(block.scales != blocks[0].scales for block in blocks):
            raise ValueError("expected blocks with the same scales, so that their candidates can be joined")
        self.backbone = backbone
        self.blocks = nn.ModuleList(blocks)
        self.dims = tuple(block.dim for block in blocks)
        self.block_sizes = tuple(size for block in blocks for size in block.block_sizes)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """Scales of the candidates."""
        return next(iter(self._m2_blocks())).scales

    @property
    def mean(self) -> Float[Tensor, " dim"] | None:
        """Mean descriptor of the joined length, None unless every block has one."""
        parts = [block.mean for block in self._m2_blocks() if block.mean is not None]
        return torch.cat(parts) if len(parts) == len(self.blocks) else None

    def set_mean(self, mean: Float[Tensor, " dim"] | None) -> None:
        """Attach a mean descriptor of the joined length, cut into the parts of the blocks."""
        if mean is not None and mean.shape != (sum(self.dims),):
            raise ValueError(
                f"expected a mean descriptor of shape ({sum(self.dims)},), got {tuple(mean.shape)}"
            )
        parts = [None] * len(self.blocks) if mean is None else mean.split(self.dims)
        for block, part in zip(self._m2_blocks(), parts, strict=True):
            block.set_mean(part)

    def forward(
        self,
        frames: Frames,
        pts_seconds: Float[Tensor, "batch time"] | None = None,
        duration_seconds: Float[Tensor, " batch"] | None = None,
    ) -> Descriptors:
        """Candidates of clips given as frames in [0, 1]; see :meth:`describe`."""
        return self.describe(self.backbone(frames), pts_seconds, duration_seconds)

    def describe(
        self,
        maps: StageMaps,
        pts_seconds: Float[Tensor, "batch time"] | None = None,
        duration_seconds: Float[Tensor, " batch"] | None = None,
    ) -> Descriptors:
        """Candidates of clips given as the backbone's maps, see :func:`join_descriptors`.

        Args:
            maps: one a stage, in the backbone's order.
            pts_seconds: presentation times of the frames; without them frames are one second apart and each
                is shown for that second.
            duration_seconds: length of each video; without it a video ends half a step after its last frame.
        """
        if len(maps) != len(self.blocks):
            raise ValueError(f"expected maps of {len(self.blocks)} stages, got {len(maps)}")
        if pts_seconds is None:
            batch, time = maps[0].shape[:2]
            pts_seconds = (torch.arange(time) + 0.5).expand(batch, time)
        if duration_seconds is None:
            duration_seconds = 1.5 * pts_seconds[:, -1] - 0.5 * pts_seconds[:, -min(2, pts_seconds.shape[1])]
        parts = [
            block(stage, pts_seconds, duration_seconds)
            for block, stage in zip(self._m2_blocks(), maps, strict=True)
        ]
        return join_descriptors(parts)

    def _m2_blocks(self) -> Iterable[M2Block]:
        return cast(Iterable[M2Block], self.blocks)


def join_descriptors(parts: Sequence[Descriptors]) -> Descriptors:
    """One set of descriptors from those of several stages over the same candidates.

    Values stand side by side and ``blocks`` tells them apart, so that each counts equally in a cosine.
    Energies are divided by their sum over the clip before they are averaged, because stages differ in scale
    (our choice). The mean is joined if every stage has one.

    Raises:
        ValueError: no stage, or stages over different windows.
    """
    if not parts:
        raise ValueError("expected descriptors of at least one stage, got none")
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(not torch.equal(part.windows, first.windows) for part in parts):
        raise ValueError("expected stages over the same windows")
    shares = [part.energy / part.energy.sum(dim=1, keepdim=True).clamp(min=1e-12) for part in parts]
    means = [part.mean for part in parts if part.mean is not None]
    return Descriptors(
        values=torch.cat([part.values for part in parts], dim=-1),
        spans=first.spans,
        windows=first.windows,
        scale=first.scale,
        energy=torch.stack(shares).mean(dim=0),
        mean=torch.cat(means) if len(means) == len(parts) else None,
        blocks=tuple(size for part in parts for size in part.blocks),
    )
