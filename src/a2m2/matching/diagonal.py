"""``diagonal``: the same candidate index against the same, no alignment. The control for the A² module."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from a2m2.matching.base import ScaledMatcher, check_labels, class_mean
from a2m2.matching.gram import pair_cosines
from a2m2.structures import Descriptors, Evidence, Match


class DiagonalMatcher(ScaledMatcher):
    """Score ``τ · mean_i cos(u_i, v_i)`` of centred descriptors, averaged over the shots of a class."""

    uses_order = True
    mean_of_pairs = True
    symmetric = True

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        num_node = query.values.shape[1]
        if support.values.shape[1] != num_node:
            raise ValueError(
                f"expected as many support candidates as query candidates ({num_node}), "
                f"got {support.values.shape[1]}"
            )
        cosine = pair_cosines(query, support).centred
        score = self.temperature() * cosine.diagonal(dim1=-2, dim2=-1).mean(-1)
        plan = torch.eye(num_node, dtype=cosine.dtype, device=cosine.device) / num_node
        evidence = Evidence(plan.expand_as(cosine), cosine.detach(), support_labels)
        return Match(class_mean(score, support_labels, num_classes), evidence)
