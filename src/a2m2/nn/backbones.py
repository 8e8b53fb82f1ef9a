"""Backbones by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from a2m2.nn.backbone import Backbone
from a2m2.nn.encoders import transformers_backbone
from a2m2.nn.motion_filters import MotionFilters


def load_backbone(
    source: str,
    *,
    stages: Sequence[str | int] = ("mid",),
    last_stride: Literal[1, 2] = 2,
    random_seed: int = 0,
) -> Backbone:
    """A backbone in evaluation mode, its batch norms frozen for good.

    Args:
        source: ``motion-filters``, a folder in the format of ``transformers``, ``random:NAME`` (weights from
            a seeded generator, no download; see :data:`a2m2.nn.sources.RANDOM_MODELS`), or a hub name
            ``owner/name[@revision]``.
        stages: which maps, in order. ``last`` is the encoder's result; ``mid`` the last hidden state before
            the last down-sampling, or after two thirds of the blocks where nothing is down-sampled; a number
            is the index of a hidden state as ``transformers`` counts them.
        last_stride: 1 makes the last stage of a ResNet or MobileNetV2 keep its resolution (14 × 14 instead
            of 7 × 7 maps at 224 px) with the same weights; inferred from the authors' earlier work.
        random_seed: seed of ``random:`` weights.

    Raises:
        WeightsError: weights missing, unreadable, pickled or without usable maps; no such stage;
            ``last_stride=1`` for another architecture.
        ValueError: no stage, or another stride.
    """
    names = tuple(str(stage) for stage in stages)
    if not names:
        raise ValueError("expected at least one stage, such as 'mid' or 'last', got none")
    if last_stride not in (1, 2):
        raise ValueError(f"expected last_stride 1 or 2, got {last_stride}")
    if source == "motion-filters":
        return MotionFilters(stages=names, last_stride=last_stride)
    return transformers_backbone(source, stages=names, last_stride=last_stride, random_seed=random_seed)
