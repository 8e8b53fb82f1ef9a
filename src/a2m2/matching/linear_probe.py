"""Linear probe: what a practitioner does with frozen features, a logistic regression fitted on the supports.

    min over W of  Σ_i −log softmax(W x_i)[y_i]  +  ½ ‖W‖²          x = √τ · unit mean descriptor of a video

and the score of a query is W x. This is multinomial logistic regression with an L2 penalty of weight 1, the default of
common libraries, on unit vectors scaled by √τ; or of weight 1/τ on unit vectors. No intercept: descriptors are centred
and the classes of an episode have equally many supports.

At the minimum W is a combination of the supports, W = αᵀX with α = Y − softmax(X Wᵀ), so only the Gram matrix of the
supports is needed, whatever the length of a descriptor. Newton's method finds α to rounding. The implicit function
theorem gives the gradient: one more Newton step from the minimum, with the Jacobian held fixed, stays where it is and
has the right derivative.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from a2m2.matching.base import ScaledMatcher, check_labels
from a2m2.matching.units import unit_mean
from a2m2.structures import Descriptors, Match

# Ten steps are usual. Only at τ of 10⁷ and more does rounding keep the residual, some 1e-9 then, above the tolerance.
_MOST_STEPS = 100
_TOLERANCE = 1e-10


class LinearProbeMatcher(ScaledMatcher):
    """Logistic regression on the supports of the episode; solved in float64.

    The classes of an episode are fitted together, so a score depends on which others there are.

    Args:
        temperature: τ, the inverse of the penalty on unit vectors.
        learn_temperature: make τ a parameter.
    """

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        supports, queries = unit_mean(support).double(), unit_mean(query).double()
        temperature = self.temperature().double()
        targets = one_hot(support_labels, num_classes).double()
        coefficients = probe_coefficients(temperature * supports @ supports.T, targets)
        logits = temperature * queries @ supports.T @ coefficients
        return Match(logits.to(query.values.dtype))


def probe_coefficients(
    gram: Float[Tensor, "support support"], targets: Float[Tensor, "support class"]
) -> Float[Tensor, "support class"]:
    """α of the regression, differentiable in ``gram``.

    Args:
        gram: dot products of the supports, float64.
        targets: 1 where a support is of a class, else 0.
    """
    with torch.no_grad():
        fixed = gram.detach()
        alpha = torch.zeros_like(targets)
        for _ in range(_MOST_STEPS):
            residual = _residual(fixed, alpha, targets)
            if residual.abs().max() <= _TOLERANCE:
                break
            step = _solve(fixed, alpha, residual)
            alpha = _descend(fixed, alpha, step, targets)
    return alpha - _solve(fixed, alpha, _residual(gram, alpha, targets))


def _residual(gram: Tensor, alpha: Tensor, targets: Tensor) -> Float[Tensor, "support class"]:
    """``α + softmax(G α) − Y``: zero at the minimum."""
    return alpha + (gram @ alpha).softmax(-1) - targets


def _solve(gram: Tensor, alpha: Tensor, residual: Tensor) -> Float[Tensor, "support class"]:
    """The Newton step ``J⁻¹ residual``, ``J = I + S G`` with S the softmax's Jacobian of each support."""
    share = (gram @ alpha).softmax(-1)
    softmax_slope = torch.diag_embed(share) - share[:, :, None] * share[:, None, :]
    jacobian = torch.einsum("ice,ij->icje", softmax_slope, gram).flatten(2).flatten(0, 1)
    jacobian.diagonal().add_(1)
    return torch.linalg.solve(jacobian, residual.flatten()).view_as(residual)


def _descend(gram: Tensor, alpha: Tensor, step: Tensor, targets: Tensor) -> Float[Tensor, "support class"]:
    """α after as much of the Newton step, halved as often as needed, as does not raise the objective."""
    start, factor = _objective(gram, alpha, targets), 1.0
    while factor > _TOLERANCE:
        moved = alpha - factor * step
        # Near the minimum the objective is flat to rounding, and equal must do.
        if _objective(gram, moved, targets) <= start + _TOLERANCE:
            return moved
        factor /= 2
    return alpha


def _objective(gram: Tensor, alpha: Tensor, targets: Tensor) -> Tensor:
    logits = gram @ alpha
    return -(targets * logits.log_softmax(-1)).sum() + (alpha * logits).sum() / 2
