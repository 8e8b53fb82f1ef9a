"""Memory and time of one training step of a configuration, on frames of noise.

    python -m a2m2.bench.train_step --config resnet50 --backbone random:resnet50 --stage pretrain --set pretrain.batch=2
    python -m a2m2.bench.train_step --config resnet50 --backbone random:resnet50 --stage meta --set meta.query=1
    python -m a2m2.bench.train_step --config clip --backbone random:clip-vit-b16 --stage meta --set meta.query=1
    python -m a2m2.bench.train_step --config resnet50 --backbone random:resnet50 --stage meta --device cuda --steps 10

Whole optimiser steps of one batch or episode: encode, match or classify, backward, clip, step. Peak memory is that of
the process, or what torch holds on the GPU; weights, gradients and optimiser state included. Half precision is used on
a GPU alone, as ``precision`` says.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from a2m2.bench.options import measurement_parser
from a2m2.config import load
from a2m2.networks import build_network
from a2m2.train.batches import Batch
from a2m2.train.classifier import build_classifier
from a2m2.train.stages import build_stage
from a2m2.train_settings import Stage, TrainSettings

NUM_CLASSES = 64


def noise_batch(settings: TrainSettings, stage: Stage) -> Batch:
    """A batch or an episode of uint8 noise."""
    generator = torch.Generator().manual_seed(0)
    meta = settings.meta
    count = settings.pretrain.batch if stage == "pretrain" else meta.way * (meta.shot + meta.query)
    crop, time_steps = settings.video.crop, settings.video.num_frames
    ways = torch.arange(meta.way)
    return {
        "index": torch.tensor(0),
        "frames": torch.randint(
            0, 256, (count, time_steps, 3, crop, crop), generator=generator, dtype=torch.uint8
        ),
        "label": torch.randint(0, NUM_CLASSES, (count,), generator=generator),
        "way": torch.cat([ways.repeat_interleave(meta.shot), ways.repeat_interleave(meta.query)]),
    }


def run(settings: TrainSettings, stage: Stage, *, steps: int, device: str = "cpu") -> dict[str, Any]:
    """Make steps; the first one is apart, since it also fills caches."""
    network = build_network(settings.network())
    head = (
        build_classifier(settings, network.encoder, num_classes=NUM_CLASSES) if stage == "pretrain" else None
    )
    module = build_stage(settings, stage, network, head, num_steps=steps, describe=str, starts_fresh=True)
    module.to(device)
    module.set_modes()
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(settings.precision)
    half = None if device == "cpu" else half
    optimizer = module.configure_optimizers()["optimizer"]
    batch = noise_batch(settings, stage)
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        optimizer.zero_grad()
        there = {name: tensor.to(device) for name, tensor in batch.items()}
        with torch.autocast(device, dtype=half, enabled=half is not None):
            loss = module.training_step(there, 0)
        loss.backward()
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    return {
        "stage": stage,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "precision": "float32" if half is None else str(half).removeprefix("torch."),
        "backbone": settings.backbone.source,
        "clips": len(batch["frames"]),
        "frames": settings.video.num_frames,
        "pixels": settings.video.crop,
        "descriptor_length": sum(module.network.encoder.dims),
        "parameters": sum(p.numel() for p in module.network.parameters()),
        "checkpoint_backbone": settings.checkpoint_backbone,
        "threads": torch.get_num_threads(),
        "loss": float(loss.detach()),
        "seconds": [round(value, 5) for value in seconds],
        "peak_memory_gib": round(peak / 2**30, 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("train_step", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="name or path of a training configuration")
    parser.add_argument("--backbone", help="instead of the configuration's")
    parser.add_argument("--stage", choices=("pretrain", "meta"), required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="change one setting: section.key=value")
    options = parser.parse_args(arguments)
    overrides = [*options.set, *([f"backbone.source={options.backbone}"] if options.backbone else [])]
    settings = load(TrainSettings, options.config, overrides, data="noise")
    figures = run(settings, options.stage, steps=options.steps, device=options.device)
    for name, value in figures.items():
        print(f"{name:<20} {value}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
