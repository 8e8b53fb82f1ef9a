"""Clips to descriptors inside a training step: less memory where asked for, and a mean descriptor that follows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from a2m2.nn import Encoder
from a2m2.structures import Descriptors
from a2m2.train.ranks import ALONE, Ranks
from a2m2.train.turns import running_means


def encode_training(
    encoder: Encoder,
    frames: UInt8[Tensor, "clip time 3 height width"],
    *,
    mean_rate: float | list[float],
    mean_gradient: bool = False,
    save_memory: bool = False,
    ranks: Ranks = ALONE,
) -> Descriptors:
    """Descriptors of a batch, centred by a running mean that has already taken this batch in.

    Args:
        encoder: its mean descriptors are moved by ``mean_rate`` towards the batch's; those that are None stay None.
        frames: uint8 clips.
        mean_gradient: centre by the value of the running mean with the gradient of the batch's. Cosines need it: a
            constant invites the network to move all descriptors away from it together, for then all cosines are near
            1, which is the cheapest way out of wrong answers.
        mean_rate: 1 replaces the running mean by the batch's; one a rank where there are several.
        save_memory: keep no activations of the backbone, one clip at a time, but compute them again in the backward
            pass. Gives the same numbers as long as the backbone's batch norms are frozen.
        ranks: processes that take batches at the same time; the running mean takes theirs in too, in their order.
    """
    rates = mean_rate if isinstance(mean_rate, list) else [mean_rate] * ranks.size
    pixels = frames.float() / 255
    if save_memory:
        parts = [checkpoint(encoder.backbone, clip, use_reentrant=False) for clip in pixels.split(1)]
        maps = tuple(torch.cat(stage) for stage in zip(*parts, strict=True))
    else:
        maps = encoder.backbone(pixels)
    descriptors = encoder.describe(maps)
    return _follow(encoder, descriptors, rates, ranks, gradient=mean_gradient)


@torch.no_grad()
def measure_mean(encoder: Encoder, clips: Iterable[UInt8[Tensor, "time 3 height width"]]) -> None:
    """Set the mean descriptors to the plain mean over clips and candidates: what a network without steps needs."""
    if encoder.mean is None:
        return
    total, count = torch.zeros(sum(encoder.dims), dtype=torch.float64), 0
    for clip in clips:
        values = encoder(clip[None].float() / 255).values
        total += values.double().sum((0, 1))
        count += values.shape[1]
    encoder.set_mean((total / max(count, 1)).float())


def _follow(
    encoder: Encoder, descriptors: Descriptors, rates: list[float], ranks: Ranks, *, gradient: bool
) -> Descriptors:
    if descriptors.mean is None:
        return descriptors
    batch_mean = descriptors.values.mean(dim=(0, 1)).to(descriptors.mean.dtype)
    mean, after_all = running_means(descriptors.mean, batch_mean.detach(), rates, ranks)
    encoder.set_mean(after_all)
    return replace(descriptors, mean=mean + (batch_mean - batch_mean.detach()) if gradient else mean)
