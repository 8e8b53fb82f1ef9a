"""ProtoNet on mean descriptors (Snell et al., NeurIPS 2017, arXiv 1703.05175), with cosine or Euclidean distance.

Departure: a video is first reduced to the mean of its candidates, since a prototype is one vector.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from a2m2.matching.base import Matcher, check_labels, class_mean
from a2m2.matching.temperature import Temperature
from a2m2.matching.units import unit_mean
from a2m2.structures import Descriptors, Match

Metric = Literal["cosine", "euclidean"]


class ProtoNetMatcher(Matcher):
    """Score of a query against the mean of a class's videos.

    ``cosine``: ``τ · cos(q, p)`` with centred unit vectors, ``p`` their mean over the shots. ``euclidean``:
    ``−‖q − p‖²`` of the descriptors as they are (ProtoNet's own).

    Args:
        metric: which distance.
        temperature: τ of ``cosine``.
        learn_temperature: make τ a parameter.
    """

    def __init__(
        self, *, metric: Metric = "cosine", temperature: float = 12.5, learn_temperature: bool = False
    ) -> None:
        super().__init__()
        if metric not in ("cosine", "euclidean"):
            raise ValueError(f"expected metric cosine or euclidean, got {metric!r}")
        self.metric: Metric = metric
        self.temperature = Temperature(temperature, learn=learn_temperature and metric == "cosine")

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        if self.metric == "euclidean":
            queries, supports = query.values.mean(1), support.values.mean(1)
        else:
            queries, supports = unit_mean(query), unit_mean(support)
        prototypes = class_mean(supports.T, support_labels, num_classes).T
        if self.metric == "euclidean":
            logits = -(queries[:, None] - prototypes[None]).square().sum(-1)
        else:
            logits = self.temperature() * queries @ torch.nn.functional.normalize(prototypes, dim=-1).T
        return Match(logits)
