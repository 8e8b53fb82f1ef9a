"""The tiny clips, lists and settings that :mod:`a2m2.bench.kill_cases` gives to the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from a2m2.bench.fake_benchmark import moving_square
from a2m2.checks import write_text_atomic
from a2m2.video import write_clip

SPLITS = {"train": ("circle", "wave", "kick"), "val": ("jump", "turn"), "test": ("nod", "push", "sit")}
_CLIPS = 3
_VIDEO = {"num_frames": 4, "resize": 32, "crop": 32}
RENDER: dict[str, Any] = {"size": 32, "num_frames": 8}
TRAIN: dict[str, Any] = {
    "video": _VIDEO,
    "backbone": {"source": "small-cnn"},
    "m2": {"stages": ["last"], "reduction": "conv", "components": 4, "hidden": 6, "scales": [[1, 1], [2, 2]]},
    "pretrain": {"steps": 12, "batch": 4, "freeze_batch_norm": False},
    "meta": {"steps": 12, "episodes_per_step": 2, "way": 2, "query": 1},
    "validation": {"every": 4, "episodes": 20, "way": 2},
    "clips_in_memory": True,
    "loader_workers": 0,
    "checkpoint_every": 3,
    "log_every": 1,
}
EVALUATE: dict[str, Any] = {"video": _VIDEO, "m2": {"components": 4}, "protocol": {"way": 2, "episodes": 40}}


def write_inputs(folder: Path) -> None:
    """Tiny clips of a moving square in ``folder/clips/SPLIT/CLASS``."""
    for split, classes in SPLITS.items():
        for class_name in classes:
            for index in range(_CLIPS):
                path = folder / "clips" / split / class_name / f"{index:02d}.mp4"
                write_clip(path, moving_square(class_name, f"{index}"))
        lines = [f"{name}/{index:02d}" for name in classes for index in range(_CLIPS)]
        write_text_atomic(folder / "lists" / f"{split}.txt", "".join(f"{line}\n" for line in lines))
    write_text_atomic(folder / "grid.yaml", yaml.safe_dump(_rendered_grid()))
    write_text_atomic(folder / "trained.yaml", yaml.safe_dump(_trained_grid(str(folder / "clips"))))


def _rendered_grid() -> dict[str, Any]:
    """Two cells on clips that are rendered."""
    return {
        "title": "Rendered",
        "clips": {"test": {"splits": ["val"], "clips_per_class": 3, **RENDER}},
        "axes": {"protocol.seed": [0, 1]},
        "evaluate": {
            "data": "{clips.test}",
            "split": ["val"],
            "methods": ["a2m2_net", "protonet"],
            "backbone": {"source": "motion-filters"},
            **EVALUATE,
        },
    }


def _trained_grid(clips: str) -> dict[str, Any]:
    """Two cells of two stages each."""
    return {
        "title": "Trained",
        "train": {"data": clips, "seed": "{seed}", **TRAIN},
        "axes": {"seed": [0, 1]},
        "repeat": "seed",
        "evaluate": {"data": clips, "split": ["test"], "protocol": EVALUATE["protocol"]},
    }


def sets(settings: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """``--set KEY=VALUE`` for every setting."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from sets(value, f"{before}{key}.")
        else:
            yield from ("--set", f"{before}{key}={json.dumps(value)}")
