"""The M² block: one video's feature maps become second-order descriptors at several scales.

The steps in order, as docs/method-choices.md numbers them:

1. reduction of the channels, to d;
2. calibration in time, which may append difference channels;
3. candidates: windows of 1, 2 and 4 frames (three scales as in the paper; these windows are our choice);
4. moment of each candidate, Σ = 1/M Σ (x − μ)(x − μ)ᵀ;
5. square root of Σ by Newton–Schulz steps;
6. upper triangle of the root.

In place of steps 4 to 6 other statistics of a candidate can be had (``order``), and other maps of Σ in place of
step 5 (``root``).

Centring by a mean descriptor and normalising are left to the matchers, because node weights need the
descriptors before centring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from a2m2.moments import (
    DEFAULT_SCALES,
    Order,
    Root,
    Scale,
    block_sizes,
    brownian_matrix,
    candidate_windows,
    cholesky_root,
    cube_projection,
    newton_schulz_sqrt,
    symmetric_log,
    triu_vector,
    window_covariances,
    window_means,
    window_spans,
    window_third_moments,
)
from a2m2.moments.root import REGULARISER
from a2m2.moments.shrinkage import SHRINKAGE
from a2m2.nn.calibration import Calibration, CalibrationKind
from a2m2.nn.reduction import LinearReduction, Reduction, ReductionModule
from a2m2.structures import Descriptors


class M2Block(nn.Module):
    """Feature maps of one backbone stage to candidates.

    Args:
        reduction: a fitted :class:`Reduction`, or a module that is trained with the rest.
        calibration: what is done in time before the moment.
        scales: windows and spatial pools of the candidates.
        order: the statistic of a candidate: ``second`` for the root of the covariance, ``first`` for the plain mean
            of the same channels, ``first+second`` for both as two blocks, ``third`` for a sketch of the third central
            moment, ``brownian`` for the Brownian distance covariance of the channels.
        root: the map of the covariance: square root, logarithm, Cholesky factor, or none.
        newton_steps: 3 in TCPNet, 5 in iSQRT-COV.
        eps: multiple of the identity added to Σ, see :func:`a2m2.moments.newton_schulz_sqrt`.
        shrinkage: share of the mean variance added to Σ for ``log_euclidean`` and ``cholesky``.
        scale_off_diagonal: √2 on off-diagonal entries, so that dot products are those of matrices.
        sketch_length: numbers in a sketch of the third moment.
        sketch_seed: seed of its projection.
        mean: ``(dim,)`` mean descriptor to attach for centring; a buffer, saved with the weights. Pass zeros
            to make room for one that is loaded later.

    Attributes:
        block_sizes: sizes of the parts of a descriptor, see :func:`a2m2.moments.block_sizes`.
        dim: length of a descriptor: their sum.
        mean: the buffer, or None.
        projection: of the third moment: a buffer, saved with the weights, so that no later version of torch can draw
            another one for them. None for the other statistics.

    Raises:
        ValueError: an unknown order or root, no scale, or a mean of another length.
    """

    mean: Tensor | None
    projection: Tensor | None

    def __init__(
        self,
        reduction: Reduction | ReductionModule,
        *,
        calibration: CalibrationKind = "difference",
        scales: Sequence[Scale] = DEFAULT_SCALES,
        order: Order = "second",
        root: Root = "newton_schulz",
        newton_steps: int = 3,
        eps: float = REGULARISER,
        shrinkage: float = SHRINKAGE,
        scale_off_diagonal: bool = False,
        sketch_length: int = 256,
        sketch_seed: int = 0,
        mean: Float[Tensor, " dim"] | None = None,
    ) -> None:
        super().__init__()
        if order not in get_args(Order):
            raise ValueError(f"expected order to be one of {', '.join(get_args(Order))}, got {order!r}")
        if root not in get_args(Root):
            raise ValueError(f"expected root to be one of {', '.join(get_args(Root))}, got {root!r}")
        if root == "cholesky" and scale_off_diagonal:
            raise ValueError(
                "expected scale_off_diagonal false with root cholesky, whose entries all occur once"
            )
        if not scales:
            raise ValueError("expected at least one scale, got none")
        self.reduction = LinearReduction(reduction) if isinstance(reduction, Reduction) else reduction
        self.calibration = Calibration(calibration, self.reduction.out_channels)
        self.scales = tuple(scales)
        self.order = order
        self.root = root
        self.newton_steps = newton_steps
        self.eps = eps
        self.shrinkage = shrinkage
        self.scale_off_diagonal = scale_off_diagonal
        channels = self.calibration.out_channels
        self.block_sizes = block_sizes(order, channels, sketch_length=sketch_length)
        self.dim = sum(self.block_sizes)
        third = order == "third"
        projection = cube_projection(channels, length=sketch_length, seed=sketch_seed) if third else None
        self.register_buffer("projection", projection)
        self.register_buffer("mean", None)
        self.set_mean(mean)

    def set_mean(self, mean: Float[Tensor, " dim"] | None) -> None:
        """Attach the mean descriptor that centring shall subtract, or none."""
        if mean is not None and mean.shape != (self.dim,):
            raise ValueError(f"expected a mean descriptor of shape ({self.dim},), got {tuple(mean.shape)}")
        self.mean = None if mean is None else mean.detach().float().clone()

    def forward(
        self,
        maps: Float[Tensor, "batch time channel height width"],
        pts_seconds: Float[Tensor, "batch time"],
        duration_seconds: Float[Tensor, " batch"],
    ) -> Descriptors:
        """Candidates of a batch of videos.

        Args:
            maps: one stage's maps, any float type; from the reduction on everything is float32.
            pts_seconds: presentation times of the sampled frames.
            duration_seconds: length of each video.

        Returns:
            Raw descriptors (neither centred nor normalised). ``energy`` is √(mean over positions of |d_t|²)
            of the difference channels d_t, without gradient; 0 everywhere without difference channels.
        """
        if maps.ndim != 5 or pts_seconds.shape != maps.shape[:2]:
            raise ValueError(
                "expected maps (batch, time, channel, height, width) and pts_seconds (batch, time), "
                f"got {tuple(maps.shape)} and {tuple(pts_seconds.shape)}"
            )
        reduced = self.reduction(maps)
        # Half precision overflows in the moments, so autocast ends where the reduction ends.
        with torch.autocast(maps.device.type, enabled=False):
            calibrated = self.calibration(reduced)
            values = self.moments(calibrated)
            energy = self.energy(calibrated)
        windows, scale = candidate_windows(maps.shape[1], self.scales)
        spans = window_spans(windows, pts_seconds, duration_seconds)
        device = values.device
        return Descriptors(
            values=values,
            spans=spans.to(device, torch.float32),
            windows=windows.to(device),
            scale=scale.to(device),
            energy=energy,
            mean=self.mean,
            blocks=self.block_sizes,
        )

    def moments(self, calibrated: Tensor) -> Float[Tensor, "batch node dim"]:
        """Steps 3 to 6, or another statistic: the descriptor of every candidate of calibrated maps."""
        if self.order == "first":
            return window_means(calibrated, self.scales)
        if self.projection is not None:
            return window_third_moments(calibrated, self.scales, projection=self.projection, eps=self.eps)
        sigma = window_covariances(calibrated, self.scales)
        if self.order == "brownian":
            distances = brownian_matrix(window_means(calibrated, self.scales), sigma, eps=self.eps)
            return triu_vector(distances, scale_off_diagonal=self.scale_off_diagonal)
        second = triu_vector(self.rooted(sigma), scale_off_diagonal=self.scale_off_diagonal)
        if self.order == "second":
            return second
        return torch.cat([window_means(calibrated, self.scales), second], dim=-1)

    def rooted(self, sigma: Float[Tensor, "batch node dim dim"]) -> Float[Tensor, "batch node dim dim"]:
        """Step 5, or what ``root`` asks for in its place."""
        if self.root == "newton_schulz":
            return newton_schulz_sqrt(sigma, steps=self.newton_steps, eps=self.eps)
        if self.root == "log_euclidean":
            return symmetric_log(sigma, shrinkage=self.shrinkage, eps=self.eps)
        if self.root == "cholesky":
            return cholesky_root(sigma, shrinkage=self.shrinkage, eps=self.eps)
        return sigma

    def energy(self, calibrated: Tensor) -> Float[Tensor, "batch time"]:
        """Root mean square length of the difference vector over the positions of each frame."""
        differences = calibrated.detach()[:, :, calibrated.shape[2] - self.calibration.num_difference :]
        return differences.square().sum(dim=2).mean(dim=(-2, -1)).sqrt()
