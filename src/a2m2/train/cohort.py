"""The cohort of a trained network: some of its base clips, described once all steps are made."""

from __future__ import annotations

from pathlib import Path

import torch

from a2m2.eval.describe import concatenate
from a2m2.matching import A2Matcher
from a2m2.train.clips import ClipSource
from a2m2.weights import load_network, save_network

SIZE = 60
"""Most clips of a cohort; they are spread evenly over the base classes."""
_BATCH = 8


@torch.inference_mode()
def add_cohort(path: Path, clips: ClipSource) -> None:
    """Put a cohort of ``clips``, sorted by class, into the network's file at ``path``, whole or not at all.

    Networks whose matcher is not A² with scores a pair get none: nothing would read it.

    Raises:
        DecodeError: one of the clips cannot be read.
        OutputError: the file cannot be written; it is left as it was.
    """
    saved = load_network(path)
    matcher = saved.network.matcher
    if not isinstance(matcher, A2Matcher) or not matcher.mean_of_pairs:
        return
    number = len(clips.videos)
    chosen = sorted({place * number // SIZE for place in range(SIZE)})
    parts = []
    for start in range(0, len(chosen), _BATCH):
        frames = torch.stack([clips.centre(position) for position in chosen[start : start + _BATCH]])
        parts.append(saved.network.encode(frames.float() / 255))
    save_network(path, saved.network, saved.settings, saved.provenance, cohort=concatenate(parts))
