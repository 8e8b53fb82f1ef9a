"""A network from its settings: backbone, M² blocks and matcher put together."""

from __future__ import annotations

import torch

from a2m2.errors import ConfigError
from a2m2.methods import find_method
from a2m2.model import FewShotModel
from a2m2.moments import Scale
from a2m2.nn import Backbone, ConvReduction, Encoder, M2Block, load_backbone
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
        blocks = [_block(m2, channels) for channels in backbone.channels]
    return FewShotModel(Encoder(backbone, blocks), method.matcher)


def _block(m2: M2Settings, channels: int) -> M2Block:
    assert m2.components is not None  # checked by the settings where the reduction is made of convolutions
    block = M2Block(
        ConvReduction(channels, m2.components, hidden=m2.hidden),
        calibration=m2.calibration,
        scales=tuple(Scale(*scale) for scale in m2.scales),
        order=m2.order,
        newton_steps=m2.newton_steps,
        eps=m2.eps,
        scale_off_diagonal=m2.scale_off_diagonal,
    )
    if m2.center:
        block.set_mean(torch.zeros(block.dim))
    return block
