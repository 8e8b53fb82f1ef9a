"""Nearest candidates: how well each candidate of one video is found in the other."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

Direction = Literal["query", "support", "both"]


def mean_nearest(
    similarity: Float[Tensor, "query target node target_node"], direction: Direction
) -> tuple[Float[Tensor, "query target"], Float[Tensor, "query target node target_node"]]:
    """Mean over candidates of the similarity to the nearest candidate of the other video, and the links as a plan.

    ``query``: each candidate of the query looks for its nearest in the target; ``support``: each of the target in the
    query; ``both``: the mean of the two. In the plan every candidate that looks gives its share of the mass 1 to its
    nearest, in equal parts where several are as near.
    """
    if direction == "both":
        forth, forth_plan = mean_nearest(similarity, "query")
        back, back_plan = mean_nearest(similarity, "support")
        return (forth + back) / 2, (forth_plan + back_plan) / 2
    axis, looking = (-1, similarity.shape[-2]) if direction == "query" else (-2, similarity.shape[-1])
    best = similarity.amax(axis, keepdim=True)
    # amax, not max: it shares its gradient among equals, as the plan shares its mass.
    links = (similarity == best).to(similarity.dtype)
    plan = links / links.sum(axis, keepdim=True) / looking
    return best.mean((-2, -1)), plan.detach()
