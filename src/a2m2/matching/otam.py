"""OTAM, ordered temporal alignment (Cao et al., CVPR 2020, arXiv 1906.11415).

The cost matrix gets a column of zeros before its first and after its last column. Down its rows l and along its
columns m runs the recurrence, with a soft minimum of smoothness λ,

    γ(0, m) = d(0, m) + γ(0, m−1)            γ(l, 0) = 0            smin(x…) = −λ log Σ exp(−x/λ)
    γ(l, m) = d(l, m) + smin(γ(l−1, m−1), γ(l, m−1))                                    in between
    γ(l, m) = d(l, m) + smin(γ(l−1, m−1), γ(l−1, m), γ(l, m−1))                         for m = 1 and the last m

and γ at the last row and column is the distance; m = 1 is the first column of costs and the last m the zeros behind
them, as in the code that published figures come from. Rows are frames of the query and columns those of the support,
then the other way round, and the two distances are averaged.

Departures: d = 1 − cos of centred descriptors. Each scale is aligned alone (:mod:`a2m2.matching.sequences`). A
distance is divided by the number of its columns, of which the path pays each at least once, so that scales of
different length count equally: score = τ · mean over scales of (1 − distance / columns), averaged over the shots of a
class. The smoothness does not shrink with it.

A soft minimum is ``−λ log`` of a sum over all paths, so the gradient of the distance by the costs is the expected
number of visits to each cell. A forward and a backward sweep give it exactly, whole columns at a time; it is both the
gradient in training and, brought to mass 1, the plan.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from a2m2.matching.base import Matcher, check_labels, class_mean
from a2m2.matching.gram import pair_cosines
from a2m2.matching.sequences import shared_sequences
from a2m2.matching.temperature import Temperature
from a2m2.structures import Descriptors, Evidence, Match

_LOG_2 = math.log(2)


def ordered_alignment(
    cost: Float[Tensor, "*batch row column"], *, smoothness: float
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch row column"]]:
    """OTAM's distance in one direction, and the expected visits of its path to each cell.

    Differentiable in ``cost`` through the distance; the visits carry no gradient.
    """
    return _OrderedAlignment.apply(cost, smoothness)


class _OrderedAlignment(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cost: Tensor, smoothness: float) -> tuple[Tensor, Tensor]:
        gain = -cost / smoothness
        ways_out = _ways_out(gain)
        arriving, leaving = _arriving(gain), _leaving(gain, ways_out)
        total = (arriving[..., -1] + ways_out).logsumexp(-1)
        visits = (arriving + leaving - total[..., None, None]).exp()
        ctx.save_for_backward(visits)
        ctx.mark_non_differentiable(visits)
        return -smoothness * total, visits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
        (visits,) = ctx.saved_tensors
        return grad[..., None, None] * visits, None


def _arriving(gain: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch row column"]:
    """Logarithm of the summed weight of all ways from the start up to and with each cell."""
    column = [gain[..., 0, 0]]
    for row in range(1, gain.shape[-2]):
        # Into the first column lead two free cells of the column of zeros, and the cell above.
        column.append(gain[..., row, 0] + torch.logaddexp(column[-1], column[-1].new_tensor(_LOG_2)))
    columns = [torch.stack(column, dim=-1)]
    for here in gain.unbind(-1)[1:]:
        straight = columns[-1]
        down = pad(straight[..., :-1], (1, 0), value=-torch.inf)
        columns.append(here + torch.logaddexp(straight, down))
    return torch.stack(columns, dim=-1)


def _ways_out(gain: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch row"]:
    """Logarithm of the number of ways from each cell of the last column straight to the end.

    The zeros behind it are entered beside the cell or one below, then lead down for free: two ways, but one from the
    last row.
    """
    ways = gain.new_full(gain.shape[:-1], _LOG_2)
    ways[..., -1] = 0
    return ways


def _leaving(
    gain: Float[Tensor, "*batch row column"], ways_out: Float[Tensor, "*batch row"]
) -> Float[Tensor, "*batch row column"]:
    """Logarithm of the summed weight of all ways from each cell, itself left out, to the end."""
    columns = [ways_out]
    for behind in gain.unbind(-1)[:0:-1]:
        straight = behind + columns[-1]
        down = pad(straight[..., 1:], (0, 1), value=-torch.inf)
        columns.append(torch.logaddexp(straight, down))
    first = list(columns[-1].unbind(-1))
    for row in range(len(first) - 2, -1, -1):
        first[row] = torch.logaddexp(first[row], gain[..., row + 1, 0] + first[row + 1])
    columns[-1] = torch.stack(first, dim=-1)
    return torch.stack(columns[::-1], dim=-1)


class OTAMMatcher(Matcher):
    """Distance along the best ordered alignment, softened, in both directions.

    Args:
        smoothness: λ of the soft minimum, 0.1 in the paper.
        temperature: τ.
        learn_temperature: make τ a parameter.
    """

    uses_order = True
    mean_of_pairs = True
    aligns = True

    def __init__(
        self, *, smoothness: float = 0.1, temperature: float = 12.5, learn_temperature: bool = False
    ) -> None:
        super().__init__()
        if smoothness <= 0:
            raise ValueError(f"expected smoothness > 0, got {smoothness}")
        self.smoothness = smoothness
        self.temperature = Temperature(temperature, learn=learn_temperature)

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        sequences = shared_sequences(query, support)
        cosine = pair_cosines(query, support).centred
        plan = torch.zeros_like(cosine)
        scores = []
        for nodes in sequences:
            cells = (..., nodes[:, None], nodes)
            cost = 1 - cosine[cells]
            distance, visits = ordered_alignment(torch.stack([cost, cost.mT]), smoothness=self.smoothness)
            scores.append(1 - distance.mean(0) / len(nodes))
            forth, back = visits / visits.sum((-2, -1), keepdim=True)
            plan[cells] = (forth + back.mT) / (2 * len(sequences))
        score = self.temperature() * torch.stack(scores).mean(0)
        evidence = Evidence(plan.detach(), cosine.detach(), support_labels)
        return Match(class_mean(score, support_labels, num_classes), evidence)
