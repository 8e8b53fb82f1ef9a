"""What a recogniser sees with, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from a2m2.errors import WeightsError
from a2m2.weights import MOTION_SMALL

MOTION_FILTERS = "motion-filters"


@dataclass(frozen=True)
class Origin:
    """What to see with, by name.

    Attributes:
        kind: a ``backbone`` to fit on the supports, or the ``weights`` of a trained network.
        name: as :func:`a2m2.nn.load_backbone` or :func:`a2m2.weights.load_network` takes it.
    """

    kind: Literal["backbone", "weights"]
    name: str


DEFAULT_ORIGIN = Origin("weights", MOTION_SMALL)
"""What is used when nothing is named; works without any download."""


def check_origin(weights: str | None, backbone: str | None) -> Origin:
    """The one of the two that is named, or the default.

    Raises:
        WeightsError: both are.
    """
    if weights is not None and backbone is not None:
        raise WeightsError(
            f"expected a trained network or a backbone to see with, got both ({weights} and {backbone}); "
            "name one"
        )
    if weights is not None:
        return Origin("weights", weights)
    return DEFAULT_ORIGIN if backbone is None else Origin("backbone", backbone)
