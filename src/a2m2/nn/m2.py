"""The M² block: one video's feature maps become second-order descriptors at several scales.

The steps in order, as docs/method-choices.md numbers them:

1. reduction of the channels, to d;
2. calibration in time, which may append difference channels;
3. candidates: windows of 1, 2 and 4 frames (three scales as in the paper; these windows are our choice);
4. moment of each candidate, Σ = 1/M Σ (x − μ)(x − μ)ᵀ;
5. square root of Σ by Newton–Schulz steps;
6. upper triangle of the root.

Centring by a mean descriptor and normalising are left to the matchers, because node weights need the
descriptors before centring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from a2m2.moments import (
    DEFAULT_SCALES,
    Scale,
    candidate_windows,
    newton_schulz_sqrt,
    triu_length,
    triu_vector,
    window_covariances,
    window_means,
    window_spans,
)
from a2m2.moments.root import REGULARISER
from a2m2.nn.calibration import Calibration, CalibrationKind
from a2m2.nn.reduction import LinearReduction, Reduction, ReductionModule
from a2m2.structures import Descriptors

Order = Literal["first", "second"]


class M2Block(nn.Module):
    """Feature maps of one backbone stage to candidates.

    Args:
        reduction: a fitted :class:`Reduction`, or a module that is trained with the rest.
        calibration: what is done in time before the moment.
        scales: windows and spatial pools of the candidates.
        order: ``second`` for the root of the covariance, ``first`` for the plain mean of the same channels.
        newton_steps: 3 in TCPNet, 5 in iSQRT-COV.
        eps: multiple of the identity added to Σ, see :func:`a2m2.moments.newton_schulz_sqrt`.
        scale_off_diagonal: √2 on off-diagonal entries, so that dot products are those of matrices.
        mean: ``(dim,)`` mean descriptor to attach for centring; a buffer, saved with the weights. Pass zeros
            to make room for one that is loaded later.

    Attributes:
        dim: length of a descriptor, c(c+1)/2 (``second``) or c (``first``) for c calibrated channels.
        mean: the buffer, or None.

    Raises:
        ValueError: an unknown order, no scale, or a mean of another length.
    """

    mean: Tensor | None

    def __init__(
        self,
        reduction: Reduction | ReductionModule,
        *,
        calibration: CalibrationKind = "difference",
        scales: Sequence[Scale] = DEFAULT_SCALES,
        order: Order = "second",
        newton_steps: int = 3,
        eps: float = REGULARISER,
        scale_off_diagonal: bool = False,
        mean: Float[Tensor, " dim"] | None = None,
    ) -> None:
        super().__init__()
        if order not in get_args(Order):
            raise ValueError(f"expected order 'first' or 'second', got {order!r}")
        if not scales:
            raise ValueError("expected at least one scale, got none")
        self.reduction = LinearReduction(reduction) if isinstance(reduction, Reduction) else reduction
        self.calibration = Calibration(calibration, self.reduction.out_channels)
        self.scales = tuple(scales)
        self.order = order
        self.newton_steps = newton_steps
        self.eps = eps
        self.scale_off_diagonal = scale_off_diagonal
        channels = self.calibration.out_channels
        self.dim = triu_length(channels) if order == "second" else channels
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
            blocks=(self.dim,),
        )

    def moments(self, calibrated: Tensor) -> Float[Tensor, "batch node dim"]:
        """Steps 3 to 6: the descriptor of every candidate of calibrated maps."""
        if self.order == "first":
            return window_means(calibrated, self.scales)
        sigma = window_covariances(calibrated, self.scales)
        root = newton_schulz_sqrt(sigma, steps=self.newton_steps, eps=self.eps)
        return triu_vector(root, scale_off_diagonal=self.scale_off_diagonal)

    def energy(self, calibrated: Tensor) -> Float[Tensor, "batch time"]:
        """Root mean square length of the difference vector over the positions of each frame."""
        differences = calibrated.detach()[:, :, calibrated.shape[2] - self.calibration.num_difference :]
        return differences.square().sum(dim=2).mean(dim=(-2, -1)).sqrt()
