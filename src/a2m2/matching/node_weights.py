"""How much mass each candidate carries into the transport.

"Instance-guided" is the paper's word; its formula is not public. ``cross_reference`` follows DeepEMD (Zhang et al.,
CVPR 2020): a candidate weighs as much as it resembles the other video on average. All rules give positive weights;
:func:`a2m2.ot.emd` normalises them to 1.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.matching.gram import PairCosines
from a2m2.structures import Descriptors

WeightRule = Literal["cross_reference", "uniform", "softmax", "energy", "gate"]
WeightSource = Literal["raw", "centred"]

FLOOR = 1e-3
"""Least weight before normalisation, as in DeepEMD: no candidate is dropped."""

_TINY = 1e-12


def node_weights(
    cosines: PairCosines, rule: WeightRule, *, source: WeightSource, sharpness: float
) -> tuple[Float[Tensor, "query target node"], Float[Tensor, "query target target_node"]]:
    """Weights of the query's and the target's candidates for every pair of videos.

    Args:
        cosines: of all candidates.
        rule: ``cross_reference``: ``relu(mean_j cos(u_i, v_j)) + 1e-3``; ``softmax``:
            ``exp(κ · mean_j cos(u_i, v_j))`` up to scale; ``uniform``: equal.
        source: cosines of the ``raw`` or of the ``centred`` descriptors.
        sharpness: κ of ``softmax``.
    """
    similarity = cosines.raw if source == "raw" else cosines.centred
    if rule == "uniform":
        return torch.ones_like(similarity[..., 0]), torch.ones_like(similarity[..., 0, :])
    query, target = similarity.mean(-1), similarity.mean(-2)
    if rule == "cross_reference":
        return query.relu() + FLOOR, target.relu() + FLOOR
    if rule == "softmax":
        return (sharpness * query).softmax(-1), (sharpness * target).softmax(-1)
    raise ValueError(f"expected cross_reference, uniform or softmax, got {rule!r}")


def energy_weights(descriptors: Descriptors) -> Float[Tensor, "batch node"]:
    """Mean motion energy of each candidate's frames, as a share of the video's mean, plus the floor (our choice).

    A video in which nothing moves gives equal weights. Without gradient, since the energy has none.
    """
    energy, windows = descriptors.energy, descriptors.windows
    passed = torch.cat([torch.zeros_like(energy[:, :1]), energy.cumsum(1)], dim=1)
    length = (windows[:, 1] - windows[:, 0]).to(energy.dtype)
    mean = (passed[:, windows[:, 1]] - passed[:, windows[:, 0]]) / length
    return mean / energy.mean(1, keepdim=True).clamp_min(_TINY) + FLOOR
