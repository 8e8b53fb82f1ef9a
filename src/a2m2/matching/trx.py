"""TRX, temporal-relational cross-transformers (Perrett et al., CVPR 2021, arXiv 2101.06184).

For each cardinality ω (pairs, triples) the frames of a video are put together to all ordered tuples x of ω frames.
Each class gets a prototype for every tuple of the query, by attention over all tuples of all its supports:

    k = LayerNorm(K x),  v = V x
    a = softmax over the tuples x' of the class of  k(x) · k(x') / √width
    t = Σ a v(x')                         distance = mean over the tuples x of the query of ‖v(x) − t‖²
    score = −Σ over ω of the distance

Departures: frames are candidates, centred, of unit length, times √D, so that their entries are of the size of
features and the encoding of time, 0.1 · sines, weighs what it does in the paper. Tuples are taken inside each scale
(:mod:`a2m2.matching.sequences`), with one K and V for all scales; attention stays inside a scale, and the distances are
averaged over the scales long enough for a tuple. ``width`` is a setting, 1152 in the paper. No dropout: in episodes
all layers are in evaluation mode here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from a2m2.matching.base import Matcher, check_labels
from a2m2.matching.sequences import shared_sequences, time_encoding
from a2m2.matching.units import unit_candidates
from a2m2.structures import Descriptors, Match

_TIME_WEIGHT = 0.1


class TupleProjection(nn.Module):
    """A linear map of tuples of candidates put end to end.

    Its weight is cut into one map for each place in a tuple, which each candidate goes through once: the tuples are
    sums of these, and are never built.

    Args:
        dim: length of a candidate.
        cardinality: candidates in a tuple.
        width: channels out.
        bias: add a bias.
    """

    def __init__(self, dim: int, cardinality: int, width: int, *, bias: bool) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.linear = nn.Linear(cardinality * dim, width, bias=bias)

    def forward(
        self, candidates: Float[Tensor, "batch node dim"], tuples: Int[Tensor, "tuple place"]
    ) -> Float[Tensor, "batch tuple width"]:
        places = self.linear.weight.unflatten(1, (self.cardinality, -1)).unbind(1)
        parts = [(candidates @ weight.T)[:, tuples[:, place]] for place, weight in enumerate(places)]
        total = torch.stack(parts).sum(0)
        return total if self.linear.bias is None else total + self.linear.bias


class CrossTransformer(nn.Module):
    """Distances of queries to query-specific prototypes of classes, for tuples of one cardinality.

    Args:
        dim: length of a candidate.
        cardinality: candidates in a tuple.
        width: channels of keys and values.
    """

    def __init__(self, dim: int, cardinality: int, width: int) -> None:
        super().__init__()
        self.key = TupleProjection(dim, cardinality, width, bias=True)
        # A bias of the values would cancel in v(x) − t, since attention sums to 1.
        self.value = TupleProjection(dim, cardinality, width, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        support: Float[Tensor, "support node dim"],
        support_labels: Int[Tensor, "support"],
        query: Float[Tensor, "query node dim"],
        tuples: Int[Tensor, "tuple place"],
        *,
        num_classes: int,
    ) -> Float[Tensor, "query class"]:
        query_key, support_key = (self.norm(self.key(x, tuples)) for x in (query, support))
        query_value, support_value = (self.value(x, tuples) for x in (query, support))
        scale = query_key.shape[-1] ** -0.5
        distances = []
        for label in range(num_classes):
            members = support_labels == label
            key, value = support_key[members].flatten(0, 1), support_value[members].flatten(0, 1)
            attention = (scale * query_key @ key.T).softmax(-1)
            distances.append((query_value - attention @ value).square().sum(-1).mean(-1))
        return torch.stack(distances, dim=1)


class TRXMatcher(Matcher):
    """Cross-transformers over tuples of candidates, learnt.

    Args:
        dim: descriptor length.
        width: channels of keys and values.
        cardinalities: candidates in a tuple; pairs and triples in the paper.
    """

    uses_order = True
    learnt = True

    def __init__(self, *, dim: int, width: int = 1152, cardinalities: Sequence[int] = (2, 3)) -> None:
        super().__init__()
        if not cardinalities or min(cardinalities) < 1:
            raise ValueError(f"expected cardinalities of at least 1, got {tuple(cardinalities)}")
        self.cardinalities = tuple(cardinalities)
        self.transformers = nn.ModuleList(CrossTransformer(dim, number, width) for number in cardinalities)

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
        supports, queries = _with_time(support), _with_time(query)
        total = queries.new_zeros(len(query), num_classes)
        for cardinality, transformer in zip(self.cardinalities, self.transformers, strict=True):
            distances = [
                transformer(supports, support_labels, queries, tuples, num_classes=num_classes)
                for tuples in _tuples(sequences, cardinality)
            ]
            total = total + torch.stack(distances).mean(0)
        return Match(-total)


def _with_time(descriptors: Descriptors) -> Float[Tensor, "batch node dim"]:
    """Candidates with entries of about unit size, and where they lie in time."""
    dim = descriptors.values.shape[-1]
    return unit_candidates(descriptors) * dim**0.5 + _TIME_WEIGHT * time_encoding(descriptors, dim)


def _tuples(sequences: Sequence[Int[Tensor, "step"]], cardinality: int) -> list[Int[Tensor, "tuple place"]]:
    """All ordered tuples of each sequence that is long enough."""
    found = [torch.combinations(nodes, cardinality) for nodes in sequences if len(nodes) >= cardinality]
    if not found:
        raise ValueError(
            f"expected a scale of at least {cardinality} candidates for tuples of {cardinality}, "
            f"got scales of {', '.join(str(len(nodes)) for nodes in sequences)}; sample more frames"
        )
    return found
