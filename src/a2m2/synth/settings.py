"""The settings of a synthetic data set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from a2m2.config import Section

Stratum = Literal["sets", "sequences", "figures"]
Style = Literal["plain", "varied", "lines", "hatched", "camouflage"]
Split = Literal["train", "val", "test"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")


class SynthConfig(Section):
    """Everything that fixes a synthetic data set."""

    stratum: Stratum = "sets"
    """what a class is: a set of 2 to 4 sub-actions, an order of 3, or phases of a jointed figure"""

    style: Style = "plain"
    """how clips look: plain shapes, as varied as can be, or one of the styles that hold something back"""

    timing: float = Field(1.0, ge=0.0, le=1.0)
    """how freely sub-actions are placed in time: 0 equal parts, 1 a compact action at a random time"""

    order: float = Field(0.0, ge=0.0, le=1.0)
    """probability that a clip of a set class runs its sub-actions in a random order; 0 for sequences"""

    clips_per_class: int = Field(40, ge=1)
    """clips of each class"""

    seed: int = Field(1, ge=0)
    """seed of class definitions and clips; 1 with the other defaults is synth-v1"""

    size: int = Field(96, ge=32, le=512, multiple_of=2)
    """height and width of a frame in pixels"""

    num_frames: int = Field(32, ge=8)
    """frames of a clip"""

    fps: float = Field(16.0, gt=0.0)
    """frames a second"""

    splits: tuple[Split, ...] = SPLITS
    """which of train, val and test to write"""

    @field_validator("order")
    @classmethod
    def _order_fits_stratum(cls, order: float, info: ValidationInfo) -> float:
        stratum = info.data.get("stratum")
        if order > 0.0 and stratum != "sets":
            raise ValueError(
                f"a class of the stratum {stratum} is an order and cannot be permuted; use order 0 or sets"
            )
        return order

    @field_validator("splits")
    @classmethod
    def _splits_in_order(cls, splits: tuple[Split, ...]) -> tuple[Split, ...]:
        if not splits or len(set(splits)) != len(splits):
            raise ValueError("expected some of train, val and test, each once")
        return tuple(split for split in SPLITS if split in splits)
