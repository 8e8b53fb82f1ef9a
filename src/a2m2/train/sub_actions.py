"""What happens when in the training clips, for those whose annotations say it: a second thing that pre-training learns.

The class of a clip says which sub-actions it has, never when. Matching compares candidates one with another, so that a
loss on every candidate teaches what matching needs (our choice).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from a2m2.data import VideoRecord, read_annotation
from a2m2.errors import DataError


class SubActions:
    """The sub-actions of a list of clips.

    Args:
        videos: the clips.

    Attributes:
        names: of all sub-actions that some clip shows, sorted.

    Raises:
        DataError: a clip without an annotation, or none of them shows anything; an annotation that is damaged.
    """

    def __init__(self, videos: Sequence[VideoRecord]) -> None:
        bare = next((video for video in videos if video.annotation is None), None)
        if bare is not None:
            raise DataError(
                f"sub-actions are learnt from annotations, but {bare.name} has none; put its JSON file beside it, or "
                "leave pretrain.sub_action_weight at 0"
            )
        self._spans = [read_annotation(video.annotation) for video in videos]
        self.names = tuple(sorted({span.name for spans in self._spans for span in spans}))
        if not self.names:
            raise DataError(
                "no annotation says when a sub-action happens; leave pretrain.sub_action_weight at 0"
            )
        self._column = {name: column for column, name in enumerate(self.names)}

    def going_on(self, position: int, seconds: Float[Tensor, "time"]) -> Bool[Tensor, "time sub_action"]:
        """Which sub-actions of the clip at ``position`` are going on when frames are shown."""
        shown = torch.zeros(len(seconds), len(self.names), dtype=torch.bool)
        for span in self._spans[position]:
            shown[:, self._column[span.name]] |= (span.start_seconds <= seconds) & (
                seconds <= span.end_seconds
            )
        return shown


def sub_action_loss(
    logits: Float[Tensor, "clip node sub_action"],
    going_on: Bool[Tensor, "clip time sub_action"],
    windows: Int[Tensor, "node 2"],
) -> Float[Tensor, ""]:
    """Binary cross-entropy summed over sub-actions, mean over candidates.

    A candidate shows what any of its frames shows.

    Args:
        logits: of every sub-action in every candidate.
        going_on: in every frame.
        windows: first frame of each candidate and one past the last.
    """
    shown = torch.stack([going_on[:, start:end].any(1) for start, end in windows.tolist()], dim=1)
    loss = functional.binary_cross_entropy_with_logits(logits, shown.to(logits.dtype), reduction="none")
    return loss.sum(-1).mean()
