"""The smallest trainings that have every part: tiny clips, small-cnn at 32 pixels, a few steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from a2m2.config import load
from a2m2.model import FewShotModel
from a2m2.train_settings import TrainSettings
from tiny_clips import make_dataset

SPLITS = {"train": ["right", "left", "down"], "val": ["up", "still"]}
TINY = (
    "video.num_frames=4",
    "video.resize=32",
    "video.crop=32",
    "backbone.source=small-cnn",
    "m2.stages=[last]",
    "m2.reduction=conv",
    "m2.components=4",
    "m2.hidden=6",
    "m2.eps=1.0e-4",
    "m2.scales=[[1, 1], [2, 2]]",
    "augment.crop_scales=[1.0, 0.75]",
    "pretrain.steps=6",
    "pretrain.batch=4",
    "pretrain.accumulate=2",
    "pretrain.freeze_batch_norm=false",
    "pretrain.optimizer.clip_norm=5",
    "meta.steps=6",
    "meta.episodes_per_step=2",
    "meta.way=2",
    "meta.query=1",
    "meta.optimizer.lr=1.0e-3",
    "validation.every=2",
    "validation.episodes=12",
    "validation.way=2",
    "clips_in_memory=true",
    "loader_workers=0",
    "checkpoint_every=2",
    "log_every=1",
)


def tiny_data(root: Path, splits: dict[str, list[str]] = SPLITS, clips_per_class: int = 3) -> Path:
    """A folder of tiny clips with base and validation classes."""
    return make_dataset(root, splits=splits, clips_per_class=clips_per_class)


def annotate(root: Path) -> Path:
    """Annotations beside all clips: the first half second of each shows what its class is called."""
    for clip in sorted(root.rglob("*.mp4")):
        span = {"name": clip.parent.name, "start_seconds": 0.0, "end_seconds": 0.5}
        clip.with_suffix(".json").write_text(json.dumps({"spans": [span]}))
    return root


def tiny_settings(data: Path | str, *overrides: str) -> TrainSettings:
    """Settings of a training of seconds; ``overrides`` come last."""
    return load(TrainSettings, None, [*TINY, *overrides], data=str(data))


def shake(network: FewShotModel, seed: int = 0) -> FewShotModel:
    """``network`` with everything that starts at a round number moved away from it, statistics of batch norms too."""
    generator = torch.Generator().manual_seed(seed)

    def noise(tensor: torch.Tensor) -> torch.Tensor:
        return torch.rand(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)

    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * (noise(parameter) - 0.5)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.2 * (noise(buffer) - 0.5))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + noise(buffer))
    mean = network.encoder.mean
    if mean is not None:
        network.encoder.set_mean(0.05 * noise(mean))
    return network


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread in tensor operations, as the command line runs with ``--threads 1``."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Crash(Exception):
    """Not one of ours, as a kill is not."""


def crash_at(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int, *, after: bool = False
) -> None:
    """Let call number ``call`` (from 1) of a method raise, before it has done anything or after it has done all."""
    method = getattr(owner, name)
    calls = 0

    def crashing(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Crash
        result = method(*arguments, **options)
        if calls == call:
            raise Crash
        return result

    monkeypatch.setattr(owner, name, crashing)
