"""What every matcher is: a pure scoring of queries against labelled supports."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from a2m2.matching.temperature import Temperature
from a2m2.structures import Descriptors, Match


class Matcher(nn.Module, ABC):
    """Scores queries against supports; keeps no support set.

    Attributes:
        uses_order: whether the score depends on where in time a candidate lies, beyond what is in its
            descriptor. A matcher without it gives the same score for any order of the candidates.
        uses_query_set: whether the score of a query depends on the other queries (transductive).
        mean_of_pairs: whether the score of a class is the mean over its support videos of a score of two videos.
        symmetric: whether that score of two videos stays the same when they change places.
        aligns: whether the matcher chooses which candidates to join, so that its plan is worth a picture.
        learnt: whether it has weights that only training can find, so that it says nothing before.
    """

    uses_order: bool = False
    uses_query_set: bool = False
    aligns: bool = False
    mean_of_pairs: bool = False
    symmetric: bool = False
    learnt: bool = False

    @abstractmethod
    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        """Logits ``(query, class)`` of ``query`` for classes ``0 … num_classes − 1``.

        Args:
            support: descriptors of the labelled videos.
            support_labels: class of each support video; every class occurs at least once.
            query: descriptors of the videos to score, from the same encoder.
            num_classes: number of classes.

        Raises:
            ValueError: labels that do not fit, or descriptors of different encoders.
        """


class ScaledMatcher(Matcher):
    """A matcher that is set by the scale of its scores alone.

    Args:
        temperature: τ.
        learn_temperature: make τ a parameter.
    """

    def __init__(self, *, temperature: float = 12.5, learn_temperature: bool = False) -> None:
        super().__init__()
        self.temperature = Temperature(temperature, learn=learn_temperature)


def check_labels(support: Descriptors, support_labels: Int[Tensor, "support"], num_classes: int) -> None:
    """Refuse labels that do not name every class at least once."""
    if support_labels.shape != (len(support),):
        raise ValueError(f"expected {len(support)} support labels, got shape {tuple(support_labels.shape)}")
    present = support_labels.unique()
    if len(present) != num_classes or int(present[0]) != 0 or int(present[-1]) != num_classes - 1:
        raise ValueError(
            f"expected support labels to cover the classes 0 … {num_classes - 1}, got {present.tolist()}"
        )


def class_mean(
    scores: Float[Tensor, "query target"], target_labels: Int[Tensor, "target"], num_classes: int
) -> Float[Tensor, "query class"]:
    """Mean of the scores of the targets of each class."""
    total = scores.new_zeros(scores.shape[0], num_classes).index_add(1, target_labels, scores)
    count = target_labels.bincount(minlength=num_classes).to(scores.dtype)
    return total / count
