"""The scale τ of the scores, fixed or learnt."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Temperature(nn.Module):
    """τ > 0, kept as its logarithm so that learning can never make it negative.

    Args:
        value: where it starts. 12.5 is DeepEMD's.
        learn: make it a parameter; otherwise it is a buffer, saved with the weights all the same.
    """

    log_value: Tensor

    def __init__(self, value: float, *, learn: bool = False) -> None:
        super().__init__()
        if value <= 0:
            raise ValueError(f"expected temperature > 0, got {value}")
        log_value = torch.tensor(float(value)).log()
        if learn:
            self.log_value = nn.Parameter(log_value)
        else:
            self.register_buffer("log_value", log_value)

    def forward(self) -> Float[Tensor, ""]:
        """τ."""
        return self.log_value.exp()
