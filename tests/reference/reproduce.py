"""Slow counts of what a recipe trains and describes, one clip and one candidate at a time."""

from __future__ import annotations

from a2m2.train_settings import TrainSettings


def forward_passes(settings: TrainSettings, stage: str, validation_clips: int) -> int:
    """Passes through the backbone as forward passes of one clip; a backward pass is worth two."""
    passes = 0
    steps = settings.pretrain.steps if stage == "pretrain" else settings.meta.steps
    for step in range(1, steps + 1):
        if stage == "pretrain":
            clips = settings.pretrain.batch * settings.pretrain.accumulate
        else:
            clips = 0
            for _ in range(settings.meta.episodes_per_step):
                for _ in range(settings.meta.way):
                    clips += settings.meta.shot + settings.meta.query
        passes += clips * (4 if settings.checkpoint_backbone else 3)
        if step % settings.validation.every == 0 or step == steps:
            passes += min(validation_clips, settings.validation.max_clips)
    return passes


def numbers_of_a_clip(channels: int, num_frames: int, scales: tuple[tuple[int, int], ...]) -> int:
    """Entries of the upper triangles of all candidates of one clip."""
    triangle = sum(1 for row in range(channels) for column in range(channels) if column >= row)
    candidates = 0
    for window, stride in scales:
        start = 0
        while start + window <= num_frames:
            candidates += 1
            start += stride
    return candidates * triangle
