"""An encoder and a matcher as one module: clips in, class scores out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from a2m2.matching import Matcher
from a2m2.nn import Encoder
from a2m2.structures import Descriptors, Match


class FewShotModel(nn.Module):
    """A method as a network.

    Args:
        encoder: frames to descriptors.
        matcher: descriptors to scores.

    Example::

        model = FewShotModel(encoder, A2Matcher())
        support = model.encode(support_frames)          # once a support set
        match = model.match(support, labels, model.encode(query_frames), num_classes=5)
    """

    def __init__(self, encoder: Encoder, matcher: Matcher) -> None:
        super().__init__()
        self.encoder = encoder
        self.matcher = matcher

    def encode(
        self,
        frames: Float[Tensor, "batch time 3 height width"],
        pts_seconds: Float[Tensor, "batch time"] | None = None,
        duration_seconds: Float[Tensor, "batch"] | None = None,
    ) -> Descriptors:
        """Descriptors of clips with values in [0, 1]. Without times, frames count as one second apart."""
        num_clips, num_frames = frames.shape[:2]
        if pts_seconds is None:
            pts_seconds = (torch.arange(num_frames, device=frames.device) + 0.5).expand(num_clips, -1)
        if duration_seconds is None:
            duration_seconds = torch.full((num_clips,), float(num_frames), device=frames.device)
        return self.encoder(frames, pts_seconds, duration_seconds)

    def match(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        """Scores of encoded queries against encoded supports."""
        return self.matcher(support, support_labels, query, num_classes=num_classes)

    def forward(
        self,
        support_frames: Float[Tensor, "support time 3 height width"],
        support_labels: Int[Tensor, "support"],
        query_frames: Float[Tensor, "query time 3 height width"],
        *,
        num_classes: int,
    ) -> Match:
        """From pixels to scores."""
        support, query = self.encode(support_frames), self.encode(query_frames)
        return self.match(support, support_labels, query, num_classes=num_classes)
