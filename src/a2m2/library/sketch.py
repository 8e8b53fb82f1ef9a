"""Sketches: a clip in fewer than 4 KiB, enough to name those that exact transport should look at.

A sketch has two parts. The *summary* is one vector, made to be compared with all others: what the clip shows in each
part of its motion, end to end, and what it shows on the whole. Candidates share out their mass between the two
nearest of evenly spaced points of motion progress (the axis of the order prior), so a dot product of summaries is
large where two clips show alike things at alike points, as the best plan would find. The *candidates* are the clip's
own on their leading directions, a byte an entry. From them comes the relaxed transport cost: each candidate goes to
its best partner, whatever the others do, which is a lower bound of the exact one on what is kept of them (Kusner,
Sun, Kolkin and Weinberger 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from a2m2.matching.order import candidate_positions
from a2m2.matching.units import unit_candidates
from a2m2.structures import Descriptors

MOST_BYTES = 4096
"""Of one sketch."""

_DIRECTIONS = 96
_SUMMARY = 512
_POINTS = 12
_WHOLE = 0.5
"""Weight of what a clip shows on the whole; 0.5 of 0, 0.5 and 1 named most of what exact transport chose."""

_CANDIDATE_BYTES = 3072
_STEP = 127


@dataclass(frozen=True, eq=False)
class Sketches:
    """Sketches of some clips.

    Attributes:
        summaries: ``(clip, entry)``, each divided by its largest entry / 127: only angles count.
        candidates: ``(clip, node, direction)``, in steps of 1/127.
        positions: ``(clip, node)`` motion progress of the candidates.
    """

    summaries: NDArray[np.int8]
    candidates: NDArray[np.int8]
    positions: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.summaries)


@dataclass(frozen=True, eq=False)
class Sketcher:
    """Makes sketches.

    Attributes:
        directions: ``(dim, direction)`` orthonormal columns: those that hold most of the candidates.
        mixture: ``(part, entry)`` orthonormal columns: those that hold most of the parts of a summary, end to end.
    """

    directions: Float[Tensor, "dim direction"]
    mixture: Float[Tensor, "part entry"]

    def __post_init__(self) -> None:
        """Refuse tensors that no sketcher has.

        Raises:
            ValueError: other types or shapes.
        """
        for tensor in (self.directions, self.mixture):
            if tensor.dtype != torch.float32 or tensor.ndim != 2 or not tensor.numel():
                raise ValueError(f"a tensor of {tensor.dtype} and shape {tuple(tensor.shape)}")
        parts = (_POINTS + 1) * self.directions.shape[1]
        if len(self.mixture) != parts:
            raise ValueError(f"a mixture of {len(self.mixture):,} parts, expected {parts:,}")

    def sketch(self, descriptors: Descriptors) -> Sketches:
        """Sketches of clips."""
        units = unit_candidates(descriptors) @ self.directions
        positions = candidate_positions(descriptors, "progress")
        summaries = _parts(units, positions) @ self.mixture
        return Sketches(
            _bytes(summaries * (_STEP / summaries.abs().amax(-1, keepdim=True).clamp_min(1e-12))),
            _bytes(units * _STEP),
            positions.half().numpy(),
        )

    def summary(self, examples: Descriptors) -> NDArray[np.int8]:
        """``(entry,)`` to compare summaries with: the mean over examples."""
        units = unit_candidates(examples) @ self.directions
        mean = (_parts(units, candidate_positions(examples, "progress")) @ self.mixture).mean(0)
        return _bytes(mean * (_STEP / mean.abs().max().clamp_min(1e-12)))

    def relaxed_scores(
        self, examples: Descriptors, sketches: Sketches, *, order_prior: float
    ) -> Float[np.ndarray, "clip"]:
        """1 − the relaxed transport cost, the mean over examples.

        Args:
            examples: clips to look for.
            sketches: of the clips to score.
            order_prior: λ.
        """
        units = unit_candidates(examples) @ self.directions
        mine = candidate_positions(examples, "progress")
        codes = torch.from_numpy(sketches.candidates).float()
        likeness = torch.einsum("cnd,emd->cenm", codes, units / _STEP)
        if order_prior > 0:
            theirs = torch.from_numpy(sketches.positions).float()
            likeness -= order_prior * (theirs[:, None, :, None] - mine[None, :, None, :]).abs()
        best = torch.minimum(likeness.amax(-1).mean(-1), likeness.amax(-2).mean(-1))
        return np.asarray(best.mean(-1))


def fit_sketcher(sample: Descriptors) -> Sketcher:
    """A sketcher of a collection, from clips of it."""
    units = unit_candidates(sample)
    number = min(_DIRECTIONS, _CANDIDATE_BYTES // units.shape[1])
    directions = leading_directions(units.flatten(0, 1), number)
    parts = _parts(units @ directions, candidate_positions(sample, "progress"))
    return Sketcher(directions, leading_directions(parts, _SUMMARY))


def leading_directions(vectors: Float[Tensor, "vector dim"], number: int) -> Float[Tensor, "dim direction"]:
    """Orthonormal directions that hold most of the vectors' squared length, so that dot products are kept best.

    No more than there are vectors or entries.
    """
    doubles = vectors.double()
    _, directions = torch.linalg.eigh(doubles.T @ doubles)
    return directions.flip(1)[:, : min(number, len(vectors))].float().contiguous()


def _parts(
    units: Float[Tensor, "clip node direction"], positions: Float[Tensor, "clip node"]
) -> Float[Tensor, "clip part"]:
    points = torch.linspace(0, 1, _POINTS, dtype=units.dtype)
    share = (1 - (positions[..., None].to(units.dtype) - points).abs() * (_POINTS - 1)).clamp_min(0)
    in_order = torch.einsum("cnp,cnd->cpd", share, units).flatten(1)
    whole = functional.normalize(units.mean(1), dim=-1)
    return torch.cat([functional.normalize(in_order, dim=-1), _WHOLE * whole], dim=-1)


def _bytes(values: Float[Tensor, "*shape"]) -> NDArray[np.int8]:
    return np.asarray(values.round().clamp(-_STEP, _STEP).to(torch.int8))
