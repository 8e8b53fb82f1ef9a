"""From two video files to the plan that aligns them.

    python examples/align_two_clips.py first.mp4 second.mp4

Without arguments it renders two clips of one synthetic action. Everything is done in the open here: frames, feature
maps, descriptors, cost, transport. `A2Matcher` does the last three steps for whole support sets.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from a2m2.matching import pair_cosines
from a2m2.nn import Encoder, M2Block, Reduction, load_backbone
from a2m2.ot import solve
from a2m2.structures import Descriptors
from a2m2.synth import SynthConfig, generate
from a2m2.video import prepare, read_clip


def describe(encoder: Encoder, path: Path) -> Descriptors:
    """The candidates of one clip: 14 windows of 1, 2 and 4 of its 8 frames."""
    clip = read_clip(path, num_frames=8)
    frames = prepare(clip.frames, resize=96, crop=96)
    with torch.inference_mode():
        return encoder(frames[None], clip.pts_seconds[None], torch.tensor([clip.duration_seconds]))


def align(first: Path, second: Path) -> None:
    """Print where the mass of the transport plan goes."""
    backbone = load_backbone("motion-filters", stages=("mid",))
    block = M2Block(Reduction.identity(backbone.channels[0]), calibration="difference")
    encoder = Encoder(backbone, [block])
    one, other = describe(encoder, first), describe(encoder, second)

    cost = 1 - pair_cosines(one, other).centred[0, 0]
    weights = torch.full((1, len(cost)), 1 / len(cost))
    solution = solve(cost[None], weights, weights)
    plan = solution.plan[0]

    print(
        f"Earth Mover's Distance {float(solution.value[0]):.4f}, optimal to {float(solution.certificate.gap[0]):.0e}"
    )
    for i, j in torch.nonzero(plan > 0.5 / len(cost)).tolist():
        a, b = one.spans[0, i].tolist(), other.spans[0, j].tolist()
        print(f"  {a[0]:5.2f}–{a[1]:.2f} s  →  {b[0]:5.2f}–{b[1]:.2f} s   mass {float(plan[i, j]):.3f}")


def main() -> None:
    """Align the two files named, or two rendered clips."""
    if len(sys.argv) == 3:
        align(Path(sys.argv[1]), Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        config = SynthConfig(stratum="sequences", timing=1.0, clips_per_class=2, splits=("val",))
        generate(folder, config)
        clips = sorted(Path(folder).rglob("*.mp4"))
        print(f"two clips of {clips[0].parent.name}")
        align(clips[0], clips[1])


if __name__ == "__main__":
    main()
