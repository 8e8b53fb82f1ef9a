"""Cosines between the candidates of queries and targets, from one matrix product.

The descriptors are raw vectors. Two kinds of cosine are needed: of the centred vectors, for the transport cost,
and of the raw ones, for the cross-reference weights. With ``m`` the mean descriptor,

    (u − m)·(v − m) = u·v − u·m − v·m + m·m      and      ‖u − m‖² = ‖u‖² − 2 u·m + ‖m‖²,

so one Gram matrix ``u·v`` gives both (our choice; see docs/method-choices.md). Descriptors joined from several
backbone stages have one Gram matrix a stage; the cosine of the joined unit vectors is the mean of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.structures import Descriptors

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class PairCosines:
    """Cosines of every query candidate with every target candidate.

    Attributes:
        centred: ``(query, target, node, target_node)`` after subtracting the mean descriptor.
        raw: the same of the vectors as they are; equal to ``centred`` when there is no mean descriptor.
    """

    centred: Float[Tensor, "query target node target_node"]
    raw: Float[Tensor, "query target node target_node"]


def pair_cosines(query: Descriptors, target: Descriptors) -> PairCosines:
    """Both kinds of cosine between all candidates of ``query`` and of ``target``.

    A zero vector has cosine 0 with everything. Runs in the dtype of the values, autocast off.

    Raises:
        ValueError: when the two come from different encoders (other dimension, blocks or centring).
    """
    num_query, num_node, _ = query.values.shape
    num_target, num_target_node, _ = target.values.shape
    shape = (num_query, num_node, num_target, num_target_node)
    centred, raw = _cosines(query, target, query.values.flatten(0, 1), target.values.flatten(0, 1))
    return PairCosines(centred.view(shape).transpose(1, 2), raw.view(shape).transpose(1, 2))


def episode_cosines(query: Descriptors, target: Descriptors, *, num_episodes: int) -> PairCosines:
    """As :func:`pair_cosines`, of many episodes in one batch of products: each query with the targets of its own.

    Args:
        query: ``num_episodes`` times as many queries, episode after episode.
        target: as many times as many targets.
        num_episodes: how many.

    Returns:
        Cosines whose axis ``query`` are all queries, and whose axis ``target`` are the targets of each one's episode.

    Raises:
        ValueError: as :func:`pair_cosines`.
    """
    num_node, num_target_node = query.values.shape[1], target.values.shape[1]
    shape = (num_episodes, len(query) // num_episodes, num_node, len(target) // num_episodes, num_target_node)
    flat_query, flat_target = (
        each.values.unflatten(0, (num_episodes, -1)).flatten(1, 2) for each in (query, target)
    )
    centred, raw = _cosines(query, target, flat_query, flat_target)
    return PairCosines(
        centred.view(shape).transpose(2, 3).flatten(0, 1), raw.view(shape).transpose(2, 3).flatten(0, 1)
    )


def _cosines(
    query: Descriptors,
    target: Descriptors,
    flat_query: Float[Tensor, "*episode rows dim"],
    flat_target: Float[Tensor, "*episode columns dim"],
) -> tuple[Float[Tensor, "*episode rows columns"], Float[Tensor, "*episode rows columns"]]:
    """Centred and raw, of candidates in rows."""
    _check_same_space(query, target)
    centred_parts, raw_parts = [], []
    with torch.autocast(flat_query.device.type, enabled=False):
        start = 0
        for size in query.blocks:
            part = slice(start, start + size)
            start += size
            mean = None if query.mean is None else query.mean[part].to(flat_query.dtype)
            centred, raw = _block_cosines(flat_query[..., part], flat_target[..., part], mean)
            centred_parts.append(centred)
            raw_parts.append(raw)
        num_blocks = len(query.blocks)
        centred = centred_parts[0] if num_blocks == 1 else torch.stack(centred_parts).mean(0)
        raw = raw_parts[0] if num_blocks == 1 else torch.stack(raw_parts).mean(0)
    return centred, raw


def _block_cosines(
    query: Float[Tensor, "*episode rows dim"],
    target: Float[Tensor, "*episode columns dim"],
    mean: Float[Tensor, "dim"] | None,
) -> tuple[Float[Tensor, "*episode rows columns"], Float[Tensor, "*episode rows columns"]]:
    # The smaller factor stands on the left: up to a sixth faster.
    gram = query @ target.mT if query.shape[-2] <= target.shape[-2] else (target @ query.mT).mT
    query_square, target_square = torch.linalg.vecdot(query, query), torch.linalg.vecdot(target, target)
    raw = gram * _inverse_root(query_square)[..., :, None] * _inverse_root(target_square)[..., None, :]
    if mean is None:
        return raw, raw
    query_mean, target_mean, mean_square = query @ mean, target @ mean, mean @ mean
    centred = gram - query_mean[..., :, None] - target_mean[..., None, :] + mean_square
    query_norm = _inverse_root(query_square - 2 * query_mean + mean_square)
    target_norm = _inverse_root(target_square - 2 * target_mean + mean_square)
    return centred * query_norm[..., :, None] * target_norm[..., None, :], raw


def _inverse_root(square: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """1/√x where x is positive, 0 where it is not: a zero vector has no direction."""
    positive = square > _TINY
    return torch.where(positive, square.clamp_min(_TINY).rsqrt(), torch.zeros_like(square))


def _check_same_space(query: Descriptors, target: Descriptors) -> None:
    if query.blocks != target.blocks:
        raise ValueError(
            f"expected queries and supports from one encoder, got blocks {query.blocks} and {target.blocks}"
        )
    if query.mean is target.mean:
        return
    if query.mean is None or target.mean is None or not torch.equal(query.mean, target.mean):
        raise ValueError("expected queries and supports to share one mean descriptor, got two different ones")
