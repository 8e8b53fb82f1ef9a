"""Bi-MHM, the bidirectional mean Hausdorff metric of HyRSM (Wang et al., CVPR 2022, arXiv 2204.13423).

    D(q, s) = 1/n Σ_i min_j d(u_i, v_j)  +  1/m Σ_j min_i d(u_i, v_j)
    score   = τ · (1 − D/2)              averaged over the shots of a class

Departures: d = 1 − cos of centred descriptors; the score is scaled by τ, as all scores here are; and the candidates
of all scales form one set, where the paper has a set of frames.
"""

from __future__ import annotations

from jaxtyping import Int
from torch import Tensor

from a2m2.matching.base import ScaledMatcher, check_labels, class_mean
from a2m2.matching.gram import pair_cosines
from a2m2.matching.nearest import mean_nearest
from a2m2.structures import Descriptors, Evidence, Match


class BiMHMMatcher(ScaledMatcher):
    """Mean over the candidates of both videos of the cosine to the nearest in the other."""

    mean_of_pairs = True
    symmetric = True
    aligns = True

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        cosine = pair_cosines(query, support).centred
        # 1 − D/2 with d = 1 − cos: the ones cancel and the nearest cosines are left.
        similarity, plan = mean_nearest(cosine, "both")
        score = self.temperature() * similarity
        evidence = Evidence(plan, cosine.detach(), support_labels)
        return Match(class_mean(score, support_labels, num_classes), evidence)
