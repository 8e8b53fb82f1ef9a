"""What leaving every enrolled clip out once has shown: plain values, without torch."""

from __future__ import annotations

from dataclasses import dataclass

from a2m2.recognition_records import Label


@dataclass(frozen=True)
class ClassReport:
    """One class.

    Attributes:
        label: the class.
        num_clips: clips enrolled.
        num_tested: of these, how many could be left out.
        num_correct: of those, how many were recognised from the others.
    """

    label: Label
    num_clips: int
    num_tested: int
    num_correct: int


@dataclass(frozen=True)
class Confusion:
    """How often clips of one class were taken for another."""

    label: Label
    taken_for: Label
    count: int


@dataclass(frozen=True)
class SuspiciousClip:
    """A clip that resembles another class more than its own: mislabelled, odd, or hard.

    Attributes:
        name: of the clip.
        label: its class.
        nearest: the class it resembles most.
        lead: by how much, in units of the score.
    """

    name: str
    label: Label
    nearest: Label
    lead: float


@dataclass(frozen=True)
class LeaveOneOut:
    """Every enrolled clip recognised from the others.

    Attributes:
        classes: one entry a class.
        confusions: the commonest first.
        suspicious: the clearest first.
        copies: groups of clips of the same content; copies are left out together.
        calibration_error: expected calibration error of the left-out answers; None with too few of them.
        unknown_auroc: how well scores tell a clip of an enrolled class from one whose class was left out;
            None with one class or nothing to leave out.
        calibrated: whether sharpness and threshold come from these clips; else they are the shipped defaults.
        setting: what was chosen, in words.
        settings_tried: how many were compared to choose it: 1 says that nothing was chosen.
    """

    classes: tuple[ClassReport, ...]
    confusions: tuple[Confusion, ...]
    suspicious: tuple[SuspiciousClip, ...]
    copies: tuple[tuple[str, ...], ...]
    calibration_error: float | None
    unknown_auroc: float | None
    calibrated: bool
    setting: str
    settings_tried: int

    @property
    def num_clips(self) -> int:
        """Clips enrolled."""
        return sum(entry.num_clips for entry in self.classes)

    @property
    def num_tested(self) -> int:
        """Clips that could be left out."""
        return sum(entry.num_tested for entry in self.classes)

    @property
    def accuracy(self) -> float | None:
        """Share of these that were recognised; None when none could be left out."""
        correct = sum(entry.num_correct for entry in self.classes)
        return correct / self.num_tested if self.num_tested else None
