"""Scores relative to a cohort: clips of other classes that tell how alike anything is to a clip.

Some clips are like everything, some like nothing, and one threshold for all of them refuses the wrong ones. Speaker
recognition subtracts from a score what each of its two sides scores with strangers, the nearest of a cohort (adaptive
symmetric normalisation, Matejka et al., Interspeech 2017). Here means alone are subtracted, since standard deviations
of a few cosines are noise, and half of each, so that a relative score keeps the unit of a score (our choice).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from a2m2.matching.base import Matcher
from a2m2.structures import Descriptors

NEAREST = 10
"""Strangers that count, of a cohort of any size; chosen on validation classes."""


@torch.inference_mode()
def baselines(matcher: Matcher, cohort: Descriptors, clips: Descriptors) -> Float[np.ndarray, "clip"]:
    """Mean score of each clip with the strangers that are most like it.

    Args:
        matcher: its score for a class is a mean over pairs.
        cohort: at least one stranger.
        clips: the clips.
    """
    alone = torch.arange(len(cohort))
    scores = matcher(cohort, alone, clips, num_classes=len(alone)).logits.double()
    mean: Float[np.ndarray, "clip"] = scores.topk(min(NEAREST, len(cohort)), dim=1).values.mean(1).numpy()
    return mean


def relative(
    scores: Float[np.ndarray, "query support"],
    query: Float[np.ndarray, "query"],
    support: Float[np.ndarray, "support"],
) -> Float[np.ndarray, "query support"]:
    """Scores of pairs less half of both sides' :func:`baselines`; a mean over pairs may be given for its pairs."""
    less: Float[np.ndarray, "query support"] = scores - (query[:, None] + support[None, :]) / 2
    return less
