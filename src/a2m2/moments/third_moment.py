"""Third-order central moments of windows, as sketches of a fixed length.

The full moment E[(x − μ)⊗3] of c channels has c³ numbers (262,144 for 64), too many to keep. A sketch keeps L of
them, its length, such that dot products of sketches are unbiased estimates of dot products of full moments:

    s_l = E[(a_l · (x − μ))³] / √(6·L/2),   l = 1 … L/2,   a_l complex Gaussian with E[a aᴴ] = I and E[a aᵀ] = 0.

For real x and y the numbers a·x and a·y are circular Gaussian with covariance x·y, so E[(a·x)³ conj(a·y)³] is
3!·(x·y)³, which is 3! times the dot product of x⊗x⊗x and y⊗y⊗y. A real a with the same power would not do: it adds
9·|x|²|y|²·(x·y). One projection a sketched number is a third of what three independent real ones a number cost.

The sketch is our choice (docs/method-choices.md); that third order may be tried is the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.moments.root import REGULARISER
from a2m2.moments.window_moments import over_windows
from a2m2.moments.windows import Scale


def cube_projection(channels: int, *, length: int, seed: int) -> Float[Tensor, "length channels"]:
    """The vectors a_l, a pure function of its arguments: first all real parts, then all imaginary ones.

    Args:
        channels: of the maps.
        length: of a sketch, even.
        seed: of the draw.

    Raises:
        ValueError: a length that is not even and positive.
    """
    if length < 2 or length % 2:
        raise ValueError(f"expected an even sketch length, at least 2, got {length}")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(length, channels, generator=generator, dtype=torch.float64)
    return (drawn / 2**0.5).float()


def window_third_moments(
    maps: Float[Tensor, "batch time dim height width"],
    scales: Sequence[Scale],
    *,
    projection: Float[Tensor, "length dim"],
    eps: float = REGULARISER,
) -> Float[Tensor, "batch node length"]:
    """Sketched third central moment of every candidate, divided by the trace of its Σ + eps·I.

    The division makes the descriptor scale as the features do, as the root of a covariance does; a clip without
    any variation gives zeros, and finite gradients.

    Frames are projected once, whatever the scales. With z = a·(x − μ_t) centred in frame t and δ_t = a·(μ_t − μ),
    the moment of a window is the mean over its frames of E[z³] + 3·E[z²]·δ_t + δ_t³.

    Args:
        maps: ``(batch, time, dim, height, width)``.
        scales: as for :func:`a2m2.moments.window_covariances`, whose order the candidates have.
        projection: from :func:`cube_projection`.
        eps: keeps the trace of a constant window from 0.

    Returns:
        ``(batch, node, length)``, real parts before imaginary ones, float32 (float64 for float64 input) whatever
        the autocast state.

    Raises:
        ValueError: maps with another number of channels than the projection, or as for the covariances.
    """
    length, channels = projection.shape
    if maps.ndim == 5 and maps.shape[2] != channels:
        raise ValueError(f"expected maps with the projection's {channels} channels, got {maps.shape[2]}")

    def of_frame(positions: Tensor) -> tuple[Tensor, ...]:
        a = projection.to(positions.dtype)
        mean = positions.mean(dim=-1)
        centred = positions - mean[..., None]
        trace = centred.square().sum(dim=-2).mean(dim=-1)
        square, cube = _mean_powers(a @ centred)
        return mean, trace, square, cube

    def of_window(mean: Tensor, trace: Tensor, square: Tensor, cube: Tensor) -> Tensor:
        offset = mean - mean.mean(dim=-1, keepdim=True)
        shift = _complex(projection.to(mean.dtype) @ offset)
        moment = (_complex(cube) + 3 * _complex(square) * shift + shift * shift * shift).mean(dim=-1)
        trace = (trace + offset.square().sum(dim=-2)).mean(dim=-1) + channels * eps
        sketch = torch.cat([moment.real, moment.imag], dim=-1) / (3 * length) ** 0.5
        return sketch / trace[..., None]

    with torch.autocast(maps.device.type, enabled=False):
        return over_windows(maps, scales, of_frame=of_frame, of_window=of_window)


def _mean_powers(z: Float[Tensor, "*batch length position"]) -> tuple[Tensor, Tensor]:
    """E[z²] and E[z³] over positions, real parts before imaginary ones.

    In real arithmetic: autograd of complex numbers takes twice the time here.
    """
    u, v = z.chunk(2, dim=-2)
    uu, vv = u * u, v * v
    square = [(uu - vv).mean(dim=-1), 2 * (u * v).mean(dim=-1)]
    cube = [(u * (uu - 3 * vv)).mean(dim=-1), (v * (3 * uu - vv)).mean(dim=-1)]
    return torch.cat(square, dim=-1), torch.cat(cube, dim=-1)


def _complex(parts: Float[Tensor, "*batch length frame"]) -> Tensor:
    real, imaginary = parts.chunk(2, dim=-2)
    return torch.complex(real, imaginary)
