"""The tensor values that pass between rooms: clips, feature maps, descriptors, matches.

All of them are frozen, small, and check their own shapes when they are made. Axis order never changes:
``batch/query/support, time/node, channel/dim, height, width``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor


def _expect(condition: bool, what: str, got: object) -> None:
    if not condition:
        raise ValueError(f"expected {what}, got {_shape(got) if isinstance(got, Tensor) else got}")


def _shape(tensor: Tensor | None) -> str:
    return "None" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')}{tuple(tensor.shape)}"


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """Frames of one video, in the order asked for.

    Attributes:
        frames: ``(time, 3, height, width)`` uint8 RGB, rotation already applied.
        pts_seconds: ``(time,)`` float64, presentation time of each frame counted from the first frame.
        frame_index: ``(time,)`` int64, position of each frame in the video, from 0.
        duration_seconds: length of the whole video, last frame included.
    """

    frames: UInt8[Tensor, "time 3 height width"]
    pts_seconds: Float[Tensor, "time"]
    frame_index: Int[Tensor, "time"]
    duration_seconds: float

    def __post_init__(self) -> None:
        _expect(
            self.frames.ndim == 4 and self.frames.shape[1] == 3 and self.frames.dtype == torch.uint8,
            "frames as uint8 (time, 3, height, width)",
            self.frames,
        )
        time = self.frames.shape[0]
        _expect(self.pts_seconds.shape == (time,), f"pts_seconds of shape ({time},)", self.pts_seconds)
        _expect(self.frame_index.shape == (time,), f"frame_index of shape ({time},)", self.frame_index)

    def __repr__(self) -> str:
        return f"Clip(frames={_shape(self.frames)}, duration_seconds={self.duration_seconds:.3f})"


@dataclass(frozen=True, eq=False, repr=False)
class Descriptors:
    """The candidates of a batch of videos: what an encoder gives and every matcher takes.

    ``values`` are raw: neither centred nor normalised. A matcher that wants cosines of centred descriptors asks
    :mod:`a2m2.matching.gram`, which derives both kinds of cosine from one product.

    Attributes:
        values: ``(batch, node, dim)`` float32.
        spans: ``(batch, node, 2)`` float, start and end of each candidate in seconds.
        windows: ``(node, 2)`` int64, first frame and one past the last, counted in sampled frames.
        scale: ``(node,)`` int64, index of the scale a candidate belongs to.
        energy: ``(batch, time)`` float32, motion energy of each sampled frame (0 everywhere when the
            encoder has no difference channels).
        mean: ``(dim,)`` descriptor that centring subtracts, or None for no centring.
        blocks: sizes of the parts of ``dim`` that come from different backbone stages; each part is
            centred and normalised alone and counts equally in a cosine.
    """

    values: Float[Tensor, "batch node dim"]
    spans: Float[Tensor, "batch node 2"]
    windows: Int[Tensor, "node 2"]
    scale: Int[Tensor, "node"]
    energy: Float[Tensor, "batch time"]
    mean: Float[Tensor, "dim"] | None = None
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _expect(self.values.ndim == 3, "values of shape (batch, node, dim)", self.values)
        batch, node, dim = self.values.shape
        if not self.blocks:
            object.__setattr__(self, "blocks", (dim,))
        _expect(self.spans.shape == (batch, node, 2), f"spans of shape ({batch}, {node}, 2)", self.spans)
        _expect(self.windows.shape == (node, 2), f"windows of shape ({node}, 2)", self.windows)
        _expect(self.scale.shape == (node,), f"scale of shape ({node},)", self.scale)
        _expect(
            self.energy.ndim == 2 and self.energy.shape[0] == batch,
            f"energy of shape ({batch}, time)",
            self.energy,
        )
        _expect(self.mean is None or self.mean.shape == (dim,), f"mean of shape ({dim},)", self.mean)
        _expect(sum(self.blocks) == dim, f"blocks that sum to {dim}", self.blocks)

    def __len__(self) -> int:
        return self.values.shape[0]

    def __getitem__(self, index: Int[Tensor, "selected"]) -> Descriptors:
        """The videos at ``index`` (1-D int64); nodes, mean and blocks stay."""
        return replace(self, values=self.values[index], spans=self.spans[index], energy=self.energy[index])

    def to(self, device: torch.device | str) -> Descriptors:
        """The same on another device."""
        return replace(
            self,
            **{
                name: getattr(self, name).to(device)
                for name in ("values", "spans", "windows", "scale", "energy", "mean")
                if getattr(self, name) is not None
            },
        )

    def __repr__(self) -> str:
        return f"Descriptors(values={_shape(self.values)}, mean={_shape(self.mean)}, blocks={self.blocks})"

    @property
    def num_frames(self) -> int:
        """Number of sampled frames that the windows count in."""
        return self.energy.shape[1]


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Why a query got its scores: one plan for every query and target.

    A target is what a query was compared with: a support video, or a whole class when shots were merged first.

    Attributes:
        plan: ``(query, target, node, target_node)`` float, mass moved between candidates, 1 in all.
        similarity: ``(query, target, node, target_node)`` float, cosine of the candidates.
        target_labels: ``(target,)`` int64 class of each target.
    """

    plan: Float[Tensor, "query target node target_node"]
    similarity: Float[Tensor, "query target node target_node"]
    target_labels: Int[Tensor, "target"]

    def __repr__(self) -> str:
        return f"Evidence(plan={_shape(self.plan)})"


@dataclass(frozen=True, eq=False, repr=False)
class Match:
    """Scores of queries against classes.

    Attributes:
        logits: ``(query, class)`` float; larger is more alike.
        evidence: the plans behind the scores; None for a matcher that aligns nothing.
    """

    logits: Float[Tensor, "query class"]
    evidence: Evidence | None = None

    def __repr__(self) -> str:
        return f"Match(logits={_shape(self.logits)}, evidence={self.evidence!r})"
