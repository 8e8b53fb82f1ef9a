"""How long a reproduction takes and how much disk it fills: estimates, made of counts and of two assumed speeds.

Counted: multiplications of the backbone's forward pass on every frame, and the bytes of weights, checkpoints and
descriptors. Not counted: decoding, the reduction and the moments (some percent), the matching, and the videos
themselves. A figure is good to a factor of two, where decoding keeps up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from a2m2.methods import find_method
from a2m2.moments import Scale, candidate_windows
from a2m2.train_settings import OptimizerSettings, Stage, TrainSettings

GPU_FLOPS = 20e12
"""Assumed speed of a GPU in training, operations a second. An A100 trains a ResNet-50 at 2,600 images/s in half
precision (pytorch-image-models, issue 1491): 3 · 2 · 4.09e9 · 2,600 = 64e12. A third of it is for smaller cards and
small batches."""

CPU_FLOPS = 0.2e12
"""Assumed speed of a machine's cores at the test, which runs on them: about eight at 25e9 each."""

CAVEAT = (
    f"estimates, to a factor of two: {GPU_FLOPS / 1e12:.0f} TFLOP/s of a GPU, {CPU_FLOPS / 1e12:.1f} of a machine's "
    "cores, on which the test runs; decoding is not in them, nor are the videos in the disk space"
)

_BACKWARD = 2
"""A backward pass costs two forward passes: gradients of inputs and of weights."""

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class BackboneCost:
    """What one backbone costs, counted on its layers.

    Attributes:
        gmac: billions of multiplications of one frame's forward pass, at ``side`` pixels.
        side: pixels; the cost is taken to grow with their square.
        parameters: number of weights.
    """

    gmac: float
    side: int
    parameters: int


_CLIP = BackboneCost(16.85, 224, 85_799_424)
_VIDEOMAE = BackboneCost(16.88, 224, 86_225_664)
_RESNET50 = {1: BackboneCost(6.207, 224, 23_508_032), 2: BackboneCost(4.087, 224, 23_508_032)}
_OTHERS = {
    "small-cnn": BackboneCost(0.00423, 48, 69_968),
    "openai/clip-vit-base-patch16": _CLIP,
    "random:clip-vit-b16": _CLIP,
    "MCG-NJU/videomae-base": _VIDEOMAE,
    "random:videomae-b": _VIDEOMAE,
}


@dataclass(frozen=True)
class Cost:
    """An estimate of one step.

    Attributes:
        gpu_hours, cpu_hours: time; None where the backbone's cost is not known.
        disk_bytes: what stays on disk; None as above.
    """

    gpu_hours: float | None = 0.0
    cpu_hours: float | None = 0.0
    disk_bytes: float | None = 0.0


def backbone_cost(settings: TrainSettings) -> BackboneCost | None:
    """What is known of the backbone of ``settings``; None for a folder or a name that was not counted."""
    source = settings.backbone.source
    if source in ("microsoft/resnet-50", "random:resnet50"):
        return _RESNET50[settings.backbone.last_stride]
    return _OTHERS.get(source)


def cost_of_training(settings: TrainSettings, stage: Stage, *, validation_clips: int) -> Cost:
    """An estimate of one stage.

    Args:
        settings: the recipe.
        stage: which one.
        validation_clips: clips of the validation split; at most ``validation.max_clips`` are looked at.
    """
    backbone = backbone_cost(settings)
    if backbone is None:
        return Cost(gpu_hours=None, disk_bytes=None)
    if stage == "pretrain":
        first = settings.pretrain
        steps, optimizer, clips_a_step = first.steps, first.optimizer, first.batch * first.accumulate
    else:
        meta = settings.meta
        steps, optimizer = meta.steps, meta.optimizer
        clips_a_step = meta.episodes_per_step * meta.way * (meta.shot + meta.query)
    passes = 1 + _BACKWARD + settings.checkpoint_backbone
    validations = math.ceil(steps / settings.validation.every)
    looked_at = validations * min(validation_clips, settings.validation.max_clips)
    clips = steps * clips_a_step * passes + looked_at
    return Cost(
        gpu_hours=_operations(settings, backbone, clips) / GPU_FLOPS / 3600,
        disk_bytes=_FLOAT_BYTES * backbone.parameters * _copies(optimizer),
    )


def cost_of_test(settings: TrainSettings, *, clips: int) -> Cost:
    """An estimate of one test of ``clips`` clips: their descriptors, once, and the place they take in the cache."""
    backbone = backbone_cost(settings)
    return Cost(
        cpu_hours=None if backbone is None else _operations(settings, backbone, clips) / CPU_FLOPS / 3600,
        disk_bytes=_FLOAT_BYTES * clips * descriptor_numbers(settings),
    )


def descriptor_numbers(settings: TrainSettings) -> int:
    """Numbers that describe one clip: candidates × length."""
    m2 = find_method(settings.method)(settings.m2, settings.a2).m2
    windows, _ = candidate_windows(settings.video.num_frames, [Scale(*scale) for scale in m2.scales])
    channels = (m2.components or 0) * (2 if m2.calibration in ("difference", "central") else 1)
    length = channels if m2.order == "first" else channels * (channels + 1) // 2
    return len(windows) * length * len(m2.stages)


def _operations(settings: TrainSettings, backbone: BackboneCost, clips: float) -> float:
    """Operations of as many forward passes: a multiplication and an addition each."""
    pixels = (settings.video.crop / backbone.side) ** 2
    return 2e9 * backbone.gmac * pixels * settings.video.num_frames * clips


def _copies(optimizer: OptimizerSettings) -> int:
    """Copies of all weights in a training's folder: the best, the last, and what the optimiser keeps of each."""
    return 2 + {"sgd": 1, "adamw": 2}[optimizer.kind]
