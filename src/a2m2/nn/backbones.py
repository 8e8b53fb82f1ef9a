"""Backbones by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from a2m2.errors import WeightsError
from a2m2.nn.backbone import Backbone
from a2m2.nn.encoders import transformers_backbone
from a2m2.nn.motion_filters import MotionFilters
from a2m2.nn.small_cnn import SmallCNN
from a2m2.nn.sources import load_model, model_from_config
from a2m2.reading import shorten, why


def load_backbone(
    source: str,
    *,
    stages: Sequence[str | int] = ("mid",),
    last_stride: Literal[1, 2] = 2,
    random_seed: int = 0,
    difference: bool = False,
    train_batch_norm: bool = False,
) -> Backbone:
    """A backbone in evaluation mode, its batch norms frozen for good unless asked otherwise.

    Args:
        source: ``motion-filters``, ``small-cnn`` (to be trained), a folder in the format of ``transformers``,
            ``random:NAME`` (weights from a seeded generator, no download; see
            :data:`a2m2.nn.sources.RANDOM_MODELS`), or a hub name ``owner/name[@revision]``.
        stages: which maps, in order. ``last`` is the encoder's result; ``mid`` the last hidden state before
            the last down-sampling, or after two thirds of the blocks where nothing is down-sampled; a number
            is the index of a hidden state as ``transformers`` counts them.
        last_stride: 1 makes the last stage of a ResNet or MobileNetV2 keep its resolution (14 × 14 instead
            of 7 × 7 maps at 224 px) with the same weights; inferred from the authors' earlier work.
        random_seed: seed of ``random:`` weights and of ``small-cnn``.
        difference: let the last stage of ``small-cnn`` or a ResNet see differences too; starts without effect in a
            ResNet, so it is worth something only once trained.
        train_batch_norm: leave the batch norms of a pretrained network as they are, to learn statistics in training.
            Those of ``small-cnn`` always do.

    Raises:
        WeightsError: weights missing, unreadable, pickled or without usable maps; no such stage;
            ``last_stride=1`` or ``difference`` for another architecture.
        ValueError: no stage, or another stride.
    """
    names = tuple(str(stage) for stage in stages)
    if not names:
        raise ValueError("expected at least one stage, such as 'mid' or 'last', got none")
    if last_stride not in (1, 2):
        raise ValueError(f"expected last_stride 1 or 2, got {last_stride}")
    if source == "motion-filters":
        if difference:
            raise WeightsError("motion-filters has no difference to learn; leave backbone.difference off")
        return MotionFilters(stages=names, last_stride=last_stride)
    if source == "small-cnn":
        return SmallCNN(stages=names, difference=difference, random_seed=random_seed).eval()
    return transformers_backbone(
        load_model(source, random_seed=random_seed),
        source,
        stages=names,
        last_stride=last_stride,
        difference=difference,
        train_batch_norm=train_batch_norm,
    )


def build_backbone(architecture: Mapping[str, Any]) -> Backbone:
    """The backbone that :meth:`Backbone.architecture` describes, its weights still to be read.

    Raises:
        WeightsError: a description that this version does not know.
    """
    kind = architecture.get("kind")
    try:
        stages = tuple(architecture["stages"])
        if kind == "motion-filters":
            return MotionFilters(stages=stages)
        if kind == "small-cnn":
            return SmallCNN(stages=stages, difference=architecture["difference"]).eval()
        if kind == "transformers":
            return transformers_backbone(
                model_from_config(
                    architecture["model_type"], architecture["config"], architecture["normalisation"]
                ),
                architecture["model_type"],
                stages=stages,
                last_stride=architecture["last_stride"],
                difference=architecture["difference"],
            )
    except WeightsError:
        raise
    except (
        Exception
    ) as error:  # the models of transformers raise anything for a configuration that they cannot take
        raise WeightsError(
            f"the description of the backbone cannot be used ({why(error)}); train again"
        ) from None
    raise WeightsError(f"unknown kind of backbone {shorten(repr(kind))}; a newer version of a2m2 may read it")
