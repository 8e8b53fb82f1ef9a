"""A fake UCF-101: lists of a few classes, tiny clips where they say, two of them broken."""

from __future__ import annotations

from pathlib import Path

from a2m2.video import write_clip
from list_fixtures import write_lists
from tiny_clips import moving_square
from train_fixtures import TINY

CLASSES = {
    "train": {"Archery": "right", "Basketball": "left", "Biking": "down"},
    "val": {"Bowling": "up", "Diving": "still"},
    "test": {"Drumming": "down_right", "Fencing": "right"},
}
CLIPS = 4
BROKEN = ("train/v_Biking_g01_c01", "test/v_Fencing_g01_c02")
NUM_CLIPS = CLIPS * sum(map(len, CLASSES.values()))
SMALL = tuple(part for setting in TINY for part in ("--set", setting))


def fake_ucf101(root: Path) -> Path:
    """``root/lists`` and ``root/videos/CLASS/v_CLASS_gGG_cCC.mp4``; two videos are cut off."""
    lines: dict[str, list[str]] = {}
    seed = 0
    for split, classes in CLASSES.items():
        for name, direction in classes.items():
            (root / "videos" / name).mkdir(parents=True)
            for clip in range(1, CLIPS + 1):
                source = f"v_{name}_g01_c{clip:02d}"
                path = root / "videos" / name / f"{source}.mp4"
                write_clip(path, moving_square(direction, seed))
                if f"{split}/{source}" in BROKEN:
                    path.write_bytes(path.read_bytes()[:-400])
                lines.setdefault(split, []).append(f"{name}/{source}")
                seed += 1
    write_lists(root / "lists", **lines)
    return root
