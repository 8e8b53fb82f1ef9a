"""HyRSM, hybrid relation guided set matching (Wang et al., CVPR 2022, arXiv 2204.13423).

    intra-relation   f = ReLU(x + A(LayerNorm(x)))          attention A over the candidates of one video
    inter-relation   h = ReLU(LayerNorm(g + B(g)))          g: mean of f of each support and of the query;
                                                            attention B over these videos
    fusion           z = W [f ; h] + w                      h the same for all candidates of a video
    score            = τ · (1 − D/2)                        D: Bi-MHM of the z, d = 1 − cos

averaged over the shots of a class. The inter-relation sees all supports and one query at a time, so a score depends
on the company of supports but not on other queries.

Departures: candidates of all scales form one set. They are centred, of unit length, times √D, and first brought to
``width`` channels by a linear map P: attention among second-order descriptors of thousands of numbers would have tens
of millions of weights. So x = P u + 0.1 · sines of time. No dropout, since in episodes all layers are in evaluation
mode here, and no classification loss of its own: ``meta.base_loss_weight`` offers one to every method.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from a2m2.matching.base import Matcher, check_labels, class_mean
from a2m2.matching.nearest import mean_nearest
from a2m2.matching.sequences import time_encoding
from a2m2.matching.temperature import Temperature
from a2m2.matching.units import unit_candidates
from a2m2.structures import Descriptors, Evidence, Match

_TIME_WEIGHT = 0.1


class HybridRelation(nn.Module):
    """Candidates enriched by the rest of their video, and by the other videos of the task.

    Args:
        dim: length of a candidate.
        width: channels inside and out; a multiple of ``heads``.
        heads: of both attentions.
    """

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(dim, width, bias=False)
        self.intra_norm = nn.LayerNorm(width)
        self.intra = nn.MultiheadAttention(width, heads, batch_first=True)
        self.inter = nn.MultiheadAttention(width, heads, batch_first=True)
        self.inter_norm = nn.LayerNorm(width)
        self.fuse = nn.Linear(2 * width, width)

    def forward(
        self, support: Descriptors, query: Descriptors
    ) -> tuple[Float[Tensor, "query support node width"], Float[Tensor, "query node width"]]:
        """Supports as each query makes them, and queries."""
        supports, queries = self._within(support), self._within(query)
        context = supports.mean(1).expand(len(query), -1, -1)
        videos = torch.cat([context, queries.mean(1, keepdim=True)], dim=1)
        attended, _ = self.inter(videos, videos, videos, need_weights=False)
        videos = self.inter_norm(videos + attended).relu()
        return (
            self._fused(supports.expand(len(query), -1, -1, -1), videos[:, :-1]),
            self._fused(queries, videos[:, -1]),
        )

    def _within(self, descriptors: Descriptors) -> Float[Tensor, "batch node width"]:
        units = unit_candidates(descriptors) * descriptors.values.shape[-1] ** 0.5
        x = self.reduce(units)
        x = x + _TIME_WEIGHT * time_encoding(descriptors, x.shape[-1])
        normed = self.intra_norm(x)
        attended, _ = self.intra(normed, normed, normed, need_weights=False)
        return (x + attended).relu()

    def _fused(
        self, candidates: Float[Tensor, "*batch node width"], video: Float[Tensor, "*batch width"]
    ) -> Float[Tensor, "*batch node width"]:
        return self.fuse(torch.cat([candidates, video[..., None, :].expand_as(candidates)], dim=-1))


class HyRSMMatcher(Matcher):
    """The hybrid relation module, learnt, then Bi-MHM.

    Args:
        dim: descriptor length.
        width: channels of the enriched candidates; a multiple of ``heads``.
        heads: of the attentions, 8 in the paper's code.
        temperature: τ.
        learn_temperature: make τ a parameter.
    """

    uses_order = True
    aligns = True
    learnt = True

    def __init__(
        self,
        *,
        dim: int,
        width: int = 128,
        heads: int = 8,
        temperature: float = 12.5,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"expected width to be a multiple of {heads} heads, got {width}")
        self.relation = HybridRelation(dim, width, heads)
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
        supports, queries = (nn.functional.normalize(z, dim=-1) for z in self.relation(support, query))
        cosine = queries[:, None] @ supports.mT
        similarity, plan = mean_nearest(cosine, "both")
        score = self.temperature() * similarity
        evidence = Evidence(plan, cosine.detach(), support_labels)
        return Match(class_mean(score, support_labels, num_classes), evidence)
