"""What a recogniser answers: plain values, without torch."""

from __future__ import annotations

from dataclasses import dataclass

Label = str | int

UNKNOWN = "unknown"
"""The answer for a clip that resembles no enrolled class enough."""


@dataclass(frozen=True)
class ScoredClass:
    """One enrolled class as the answer for a clip.

    Attributes:
        label: the class.
        score: τ · (1 − EMD), the mean over the class's clips; larger is more alike.
        probability: that it is this class, given that it is one of those enrolled.
    """

    label: Label
    score: float
    probability: float


@dataclass(frozen=True)
class Recognition:
    """The answer for one clip.

    Attributes:
        clip: its name.
        label: the best class, or :data:`UNKNOWN`.
        ranked: all classes, best first.
    """

    clip: str
    label: Label
    ranked: tuple[ScoredClass, ...]

    @property
    def refused(self) -> bool:
        """Whether the clip was taken for something that is not enrolled."""
        return self.label == UNKNOWN
