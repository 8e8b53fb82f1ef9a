"""Mean and covariance of channels over the positions of a stream of maps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class MomentAccumulator:
    """Count, mean and scatter of channel vectors, gathered clip by clip in float64 on the CPU.

    Parts are merged by their means (Chan, Golub & LeVeque 1983), so nothing cancels and the result hardly
    depends on how the stream was cut.

    Attributes:
        count: number of positions seen.
        mean: ``(channel,)`` float64, empty before the first update.
        scatter: ``(channel, channel)`` float64, Σ (x − mean)(x − mean)ᵀ.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.scatter = torch.zeros(0, 0, dtype=torch.float64)

    def update(self, maps: Float[Tensor, "*batch channel height width"]) -> None:
        """Add every position of ``maps``.

        Raises:
            ValueError: another number of channels than before, or values that are not finite.
        """
        if maps.ndim < 3:
            raise ValueError(f"expected maps (..., channel, height, width), got {tuple(maps.shape)}")
        positions = maps.detach().movedim(-3, 0).flatten(1).to("cpu", torch.float64)
        num_channels, count = positions.shape
        if self.count and num_channels != len(self.mean):
            raise ValueError(f"expected maps of {len(self.mean)} channels as before, got {num_channels}")
        if count == 0:
            return
        mean = positions.mean(dim=1)
        if not bool(mean.isfinite().all()):
            raise ValueError("expected finite maps, got NaN or infinity; check the clip and the backbone")
        centred = positions - mean[:, None]
        self._merge(count, mean, centred @ centred.T)

    def merge(self, other: MomentAccumulator) -> None:
        """Add everything that ``other`` has seen."""
        if other.count:
            self._merge(other.count, other.mean, other.scatter)

    def covariance(self) -> Float[Tensor, "channel channel"]:
        """Biased covariance of all positions so far."""
        if self.count == 0:
            raise ValueError("expected at least one update before the covariance is read")
        return self.scatter / self.count

    def _merge(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if self.count == 0:
            self.count, self.mean, self.scatter = count, mean.clone(), scatter.clone()
            return
        total = self.count + count
        shift = mean - self.mean
        self.scatter = self.scatter + scatter + torch.outer(shift, shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total
