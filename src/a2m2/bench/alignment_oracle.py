"""How true an alignment is when every candidate of one frame knows one sub-action: exact transport on labels.

    python -m a2m2.bench.alignment_oracle runs/study/clips/sets-1.csv runs/study/clips/sequences-1.csv

A candidate that knows the sub-action at its frame, or the one that fills most of some stretch around it, costs 0 to
align with its like, 1 with another, and 0.6 where one of the two is idle, so that surplus rather stays idle. Its plan
is judged as :mod:`a2m2.eval.alignment` judges every other. It says how much a stretch that ends at the frame, as
x_t − x_{t−1} does, is late. It is no bound: a descriptor holds more than one label.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.options import measurement_parser
from a2m2.data import EpisodeSampler, load_dataset, read_annotation
from a2m2.eval.alignment import IDLE, frame_labels, plan_shares
from a2m2.eval.stats import mean_interval
from a2m2.ot import solve
from a2m2.records import SubActionSpan
from a2m2.video import read_clip

STRETCHES = {
    "the frame itself": (0.0, 0.0),
    "from the frame before to the frame": (-1.0, 0.0),
    "from the frame before to the frame after": (-1.0, 1.0),
}
"""What a candidate knows to the stretch that it sees, in steps between sampled frames."""

_IDLE_COST = 0.6
_POINTS = 32


def known_labels(
    annotations: Sequence[Sequence[SubActionSpan]],
    pts_seconds: Sequence[Sequence[float]],
    stretch: tuple[float, float],
) -> torch.Tensor:
    """``(video, time)`` label that fills most of the stretch around each frame, −1 for idle."""
    steps = np.linspace(*stretch, _POINTS) if stretch[0] < stretch[1] else np.zeros(1)
    looks = []
    for step in steps:
        moved = [[t + step * (times[1] - times[0]) for t in times] for times in pts_seconds]
        looks.append(frame_labels(annotations, moved))
    return torch.stack(looks).mode(dim=0).values


def oracle_shares(manifest: Path, *, num_frames: int, num_pairs: int) -> dict[str, tuple[float, float]]:
    """What is known to the share of non-idle mass on the same sub-action, with its 95 % interval over pairs."""
    clips = load_dataset(manifest).select(["test"])
    annotations = [read_annotation(video.annotation) for video in clips.videos]
    pts = [
        read_clip(video.path, num_frames=num_frames, policy="segment_center").pts_seconds.tolist()
        for video in clips.videos
    ]
    truth = frame_labels(annotations, pts)
    sampler = EpisodeSampler(clips.video_classes, class_names=clips.classes, way=2, shot=1, query=1, seed=0)
    drawn = [sampler.episode(index) for index in range(num_pairs)]
    query = torch.tensor([episode.query[0][0] for episode in drawn])
    support = torch.tensor([episode.support[0][0] for episode in drawn])
    weights = torch.full((num_pairs, num_frames), 1 / num_frames, dtype=torch.float64)
    result = {}
    for what, stretch in STRETCHES.items():
        known = known_labels(annotations, pts, stretch)
        rows, columns = known[query][:, :, None], known[support][:, None, :]
        cost = (rows != columns).double()
        cost[(rows != columns) & ((rows == IDLE) | (columns == IDLE))] = _IDLE_COST
        plan = solve(cost, weights, weights).plan
        shares = [
            plan_shares(one[None], q[None], s[None])[0]
            for one, q, s in zip(plan, truth[query], truth[support], strict=True)
        ]
        result[what] = mean_interval([share for share in shares if not np.isnan(share)])
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("alignment_oracle", __doc__)
    parser.add_argument("manifests", type=Path, nargs="+", help="annotated clips with a test split")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of clips of one class")
    options = parser.parse_args(arguments)
    tables = []
    for manifest in options.manifests:
        shares = oracle_shares(manifest, num_frames=options.frames, num_pairs=options.pairs)
        tables.append(
            FigureTable(
                f"{manifest.stem}: non-idle mass on the same sub-action, when a candidate knows what fills most of",
                ("the stretch", "%"),
                tuple(
                    (what, f"{100 * share:.1f} ± {100 * interval:.1f}")
                    for what, (share, interval) in shares.items()
                ),
                command=command("alignment_oracle", arguments),
            )
        )
        print(tables[-1].text())
    write_figures(options.json, tables)


if __name__ == "__main__":
    main()
