"""A network from its settings: backbone, M² blocks and matcher put together."""

from __future__ import annotations

import torch

from a2m2.errors import ConfigError
from a2m2.methods import find_method
from a2m2.model import FewShotModel
from a2m2.moments import Scale
from a2m2.nn import Backbone, ConvReduction, Encoder, M2Block, Reduction, load_backbone
from a2m2.nn.reduction import ReductionModule
from a2m2.settings import M2Settings
from a2m2.train_settings import NetworkSettings


def build_network(
    settings: NetworkSettings,
    *,
    backbone: Backbone | None = None,
    seed: int = 0,
    train_batch_norm: bool = False,
) -> FewShotModel:
    """The network that ``settings`` describe, its mean descriptors zero and its new layers drawn from ``seed``.

    Args:
        settings: what to build.
        backbone: use this one instead of loading ``settings.backbone``.
        seed: of the layers that no pretrained weights exist for.
        train_batch_norm: as in :func:`a2m2.nn.load_backbone`.

    Raises:
        ConfigError: settings that leave nothing to train in the M² block.
        WeightsError: a backbone that cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = find_method(settings.method)(settings.m2, settings.a2)
    m2 = method.m2
    if m2.reduction != "conv":
        raise ConfigError(
            f"a network to train needs m2.reduction conv, got {m2.reduction}, which is fitted and not trained; "
            "set m2.reduction=conv, or use 'a2m2 evaluate' without training"
        )
    if backbone is None:
        backbone = load_backbone(
            settings.backbone.source,
            stages=m2.stages,
            last_stride=settings.backbone.last_stride,
            random_seed=settings.backbone.random_seed,
            difference=settings.backbone.difference,
            train_batch_norm=train_batch_norm,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks = [_trained_block(m2, channels) for channels in backbone.channels]
    return FewShotModel(Encoder(backbone, blocks), method.matcher)


def m2_block(m2: M2Settings, reduction: Reduction | ReductionModule) -> M2Block:
    """The M² block that ``m2`` describes, behind a given reduction and without a mean descriptor."""
    return M2Block(
        reduction,
        calibration=m2.calibration,
        scales=tuple(Scale(*scale) for scale in m2.scales),
        order=m2.order,
        root=m2.root,
        newton_steps=m2.newton_steps,
        eps=m2.eps,
        shrinkage=m2.shrinkage,
        scale_off_diagonal=m2.scale_off_diagonal,
        sketch_length=m2.sketch_length,
        sketch_seed=m2.sketch_seed,
    )


def _trained_block(m2: M2Settings, channels: int) -> M2Block:
    assert m2.components is not None  # checked by the settings where the reduction is made of convolutions
    block = m2_block(m2, ConvReduction(channels, m2.components, hidden=m2.hidden))
    if m2.center:
        block.set_mean(torch.zeros(block.dim))
    return block
