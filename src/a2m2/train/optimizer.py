"""Optimisers and learning-rate schedules from their settings."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from a2m2.train_settings import OptimizerSettings


def make_optimizer(
    settings: OptimizerSettings, *, backbone: nn.Module, new: Iterable[nn.Module]
) -> Optimizer:
    """Parameters in four groups: of the backbone or new, with weight decay or (vectors and numbers) without."""
    groups = []
    for modules, factor in (([backbone], 1.0), (list(new), settings.new_layer_factor)):
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        for decays in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == decays]
            if chosen:
                decay = settings.weight_decay if decays else 0.0
                groups.append({"params": chosen, "lr": settings.lr * factor, "weight_decay": decay})
    if settings.kind == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.momentum > 0)


def rate_factor(settings: OptimizerSettings, step: int, num_steps: int) -> float:
    """Factor on every learning rate at optimiser step ``step`` (from 0) of ``num_steps``."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        return 0.1 ** sum(step >= share * num_steps for share in settings.milestones)
    rest = max(num_steps - settings.warmup_steps, 1)
    return 0.5 * (1.0 + math.cos(math.pi * min(step - settings.warmup_steps, rest) / rest))
