"""When each frame of a video is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Times written as decimals or by a container in milliseconds meet a frame's own time only up to rounding.
_TIME_SLACK_SECONDS = 1e-6


@dataclass(frozen=True, eq=False)
class Timeline:
    """Times of all frames of a video, in presentation order.

    Attributes:
        pts_seconds: ``(time,)`` float64, time at least 1, counted from the first frame, never decreasing.
        duration_seconds: end of the last frame.
        tick_seconds: resolution of the container's clock; 0 for times without one.
    """

    pts_seconds: Float[Tensor, "time"]
    duration_seconds: float
    tick_seconds: float = 0.0

    @classmethod
    def from_ticks(
        cls, ticks: Sequence[int], *, time_base: Fraction, last_ticks: int, rate: Fraction | None
    ) -> Timeline:
        """From the times of at least one frame in units of ``time_base``, sorted.

        ``last_ticks`` is how long the last frame stays; where the file does not say (0), it stays as long as
        the frames before it do in the median, and a lone frame stays ``1 / rate``.
        """
        num, den = time_base.numerator, time_base.denominator
        if not last_ticks and len(ticks) > 1:
            last_ticks = median_low([late - early for early, late in pairwise(ticks)])
        seconds = [(tick - ticks[0]) * num / den for tick in ticks]
        last_seconds = last_ticks * num / den if last_ticks or not rate else float(1 / rate)
        return cls(torch.tensor(seconds, dtype=torch.float64), seconds[-1] + last_seconds, num / den)

    @property
    def num_frames(self) -> int:
        return self.pts_seconds.shape[0]

    @property
    def is_variable_rate(self) -> bool:
        """Whether frames stay for different times, beyond a rounding to ticks or to milliseconds."""
        steps = self.pts_seconds.diff()
        if steps.numel() < 2:
            return False
        return float(steps.max() - steps.min()) > max(self.tick_seconds, 1e-3) + _TIME_SLACK_SECONDS

    def index_at(self, seconds: Sequence[float] | Float[Tensor, "moment"]) -> Int[Tensor, "moment"]:
        """The frame shown at each moment: the last one whose time is not later (by more than a microsecond).

        Raises:
            ValueError: a moment before the first frame or after the end of the last.
        """
        moments = torch.as_tensor(seconds, dtype=torch.float64).reshape(-1)
        outside = (moments < 0) | ~(moments <= self.duration_seconds + _TIME_SLACK_SECONDS)
        if bool(outside.any()):
            raise ValueError(
                f"expected seconds in 0..{self.duration_seconds:g}, got {float(moments[outside][0]):g}"
            )
        return torch.searchsorted(self.pts_seconds, moments + _TIME_SLACK_SECONDS, right=True) - 1

    def same_as(self, other: Timeline) -> bool:
        """Whether both say the same of every frame."""
        return self is other or (
            torch.equal(self.pts_seconds, other.pts_seconds)
            and self.duration_seconds == other.duration_seconds
        )
