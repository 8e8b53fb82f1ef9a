"""From a backbone's many channels to the few whose covariance is taken: fitted once, or learnt.

The fitted kind needs no training: z = Vᵀ(x − μ)/λ^¼ with the leading eigenpairs of the channels' covariance
over all positions (our choice: half of the whitening, between plain principal components and full whitening).
The learnt kind is the pair of 1 × 1 convolutions of TCPNet (Gao et al. 2021).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from a2m2.errors import DataError
from a2m2.moments import full_precision
from a2m2.nn.digest import tensors_digest
from a2m2.nn.positions import MomentAccumulator

Maps = Float[Tensor, "*batch channel height width"]

HALF_WHITENING = 0.25


@dataclass(frozen=True, eq=False, repr=False)
class Reduction:
    """A fitted linear reduction, z = Vᵀ(x − μ)/λ^power at every position.

    Attributes:
        mean: ``(channel,)`` μ.
        basis: ``(channel, component)`` V, orthonormal columns, most variance first.
        eigenvalues: ``(component,)`` λ, variance along each column, positive.
        power: 0 for plain principal components, ¼ for our default, ½ for full whitening.
    """

    mean: Float[Tensor, " channel"]
    basis: Float[Tensor, "channel component"]
    eigenvalues: Float[Tensor, " component"]
    power: float = HALF_WHITENING

    def __post_init__(self) -> None:
        expected = (*self.mean.shape, *self.eigenvalues.shape)
        if self.mean.ndim != 1 or self.eigenvalues.ndim != 1 or self.basis.shape != expected:
            raise ValueError(
                "expected mean (channel,), basis (channel, component) and eigenvalues (component,), "
                f"got {tuple(self.mean.shape)}, {tuple(self.basis.shape)} and {tuple(self.eigenvalues.shape)}"
            )
        if not bool((self.eigenvalues > 0).all()):
            raise ValueError(f"expected positive eigenvalues, got {self.eigenvalues.min().item():g}")

    def __repr__(self) -> str:
        return f"Reduction({self.num_channels} → {self.num_components}, power={self.power:g})"

    @property
    def num_channels(self) -> int:
        """Channels that go in."""
        return self.basis.shape[0]

    @property
    def num_components(self) -> int:
        """Channels that come out."""
        return self.basis.shape[1]

    @classmethod
    def identity(cls, num_channels: int) -> Reduction:
        """The reduction that changes nothing."""
        return cls(torch.zeros(num_channels), torch.eye(num_channels), torch.ones(num_channels))

    def digest(self) -> str:
        """16 hex digits that name this reduction."""
        tensors = {"mean": self.mean, "basis": self.basis, "eigenvalues": self.eigenvalues}
        return tensors_digest(tensors, {"power": self.power})


def fit_reduction(
    maps: Iterable[Maps] | MomentAccumulator,
    *,
    num_components: int,
    shrinkage: float = 0.0,
    power: float = HALF_WHITENING,
) -> Reduction:
    """Leading eigenpairs of the channels' covariance over every position of every map.

    Moments are summed and decomposed in float64. Each column's sign is chosen so that its entry of largest
    magnitude is positive, which makes the result a function of the data alone.

    Args:
        maps: a stream of maps, read once, or an accumulator that has already seen them. Take them from
            training classes; a fit that saw queries is transductive and must be labelled so.
        num_components: number of eigenpairs to keep.
        shrinkage: share in [0, 1) of the covariance that is replaced by a multiple of the identity of equal
            trace; positive values allow more components than the data has directions.
        power: exponent of the division by eigenvalues.

    Raises:
        DataError: the maps vary in fewer directions than ``num_components``.
        ValueError: settings outside their range, or more components than channels.
    """
    if not isinstance(maps, MomentAccumulator):
        moments = MomentAccumulator()
        for some in maps:
            moments.update(some)
        maps = moments
    if maps.count == 0:
        raise DataError("cannot fit a reduction: expected maps of at least one clip, got none")
    num_channels = len(maps.mean)
    if not 1 <= num_components <= num_channels:
        raise ValueError(
            f"expected 1 to {num_channels} components (channels there are), got {num_components}"
        )
    if not 0 <= shrinkage < 1:
        raise ValueError(f"expected shrinkage in [0, 1), got {shrinkage}")
    covariance = maps.covariance()
    eigenvalues, basis = torch.linalg.eigh(covariance)
    eigenvalues, basis = eigenvalues.flip(0), basis.flip(1)[:, :num_components]
    # Features are float32 at best: variance below this share of the largest is rounding.
    rank = int((eigenvalues > 1e-10 * eigenvalues[0].clamp(min=1e-30)).sum())
    if rank == 0 or (rank < num_components and shrinkage == 0):
        raise DataError(
            f"cannot fit a reduction: expected maps that vary in at least {num_components} directions, "
            f"got {rank} from {maps.count} positions; give more clips, keep fewer components, "
            "or set shrinkage above 0"
        )
    level = covariance.diagonal().mean()
    shrunk = (1 - shrinkage) * eigenvalues[:num_components] + shrinkage * level
    largest = basis.gather(0, basis.abs().argmax(dim=0, keepdim=True))
    return Reduction(maps.mean.float(), (basis * largest.sign()).float(), shrunk.float(), power)


class ReductionModule(nn.Module, ABC):
    """Base of reductions inside a model: maps in, float32 maps with ``out_channels`` channels out."""

    out_channels: int

    @abstractmethod
    def forward(self, maps: Maps) -> Float[Tensor, "*batch component height width"]:
        """Maps with ``out_channels`` channels."""


class LinearReduction(ReductionModule):
    """A :class:`Reduction` as a module: its tensors are buffers, saved with the weights and never trained.

    Args:
        reduction: the fitted value.
    """

    mean: Tensor
    basis: Tensor
    eigenvalues: Tensor

    def __init__(self, reduction: Reduction) -> None:
        super().__init__()
        self.out_channels = reduction.num_components
        self.power = reduction.power
        for name in ("mean", "basis", "eigenvalues"):
            self.register_buffer(name, getattr(reduction, name).float().clone())

    @property
    def reduction(self) -> Reduction:
        """The value that the buffers hold."""
        return Reduction(self.mean, self.basis, self.eigenvalues, self.power)

    def forward(self, maps: Maps) -> Float[Tensor, "*batch component height width"]:
        if maps.shape[-3] != len(self.mean):
            raise ValueError(
                f"expected maps of {len(self.mean)} channels, the number this reduction was fitted on, "
                f"got {maps.shape[-3]}"
            )
        with torch.autocast(maps.device.type, enabled=False):
            positions = maps.to(self.mean.dtype).flatten(-2)
            weight = (self.basis / self.eigenvalues**self.power).T
            reduced = weight @ positions - (weight @ self.mean)[:, None]
            return reduced.unflatten(-1, maps.shape[-2:])


class ConvReduction(ReductionModule):
    """1 × 1 convolution to ``hidden`` channels, BN, ReLU, 1 × 1 convolution to ``out_channels``, BN, ReLU.

    No biases; Kaiming initialisation by fan-out. Source: TCPNet (inferred for the paper), with 256 hidden
    channels and 128 (64 for small runs) in the end.

    Args:
        in_channels: channels of the backbone's map.
        out_channels: dimension d of the covariance.
        hidden: channels in between.
    """

    def __init__(self, in_channels: int, out_channels: int, *, hidden: int = 256) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Maps) -> Float[Tensor, "*batch component height width"]:
        # Maps may come from a float16 cache; outside autocast the convolution needs its weights' type.
        frames = maps.reshape(-1, *maps.shape[-3:]).to(next(self.parameters()).dtype)
        return full_precision(self.layers(frames)).unflatten(0, maps.shape[:-3])
