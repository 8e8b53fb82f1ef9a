"""What takes part in an evaluation: methods without training, or trained networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from a2m2.eval.maps import Progress
from a2m2.eval.runner import Contestant
from a2m2.settings import VideoSettings


class Entry(ABC):
    """Contestants and what a record has to say of them; checked when made, computed by :meth:`contestants`.

    Attributes:
        descriptions: name of each contestant to its line for tables.
        weights_digest: digest of all weights that play a part.
        fit: what reduction and mean descriptor come from, see :class:`a2m2.records.RunRecord`.
        video: frames that descriptors are made of.
    """

    descriptions: dict[str, str]
    weights_digest: str
    fit: str
    video: VideoSettings

    @abstractmethod
    def contestants(self, *, num_threads: int, progress: Progress | None) -> Sequence[Contestant]:
        """Everyone, ready to run; this is where clips are decoded and described."""

    @abstractmethod
    def pts_seconds(self) -> Float[Tensor, "video time"]:
        """Times of the sampled frames; asked for after :meth:`contestants`."""

    @abstractmethod
    def plan(self) -> list[str]:
        """What would be computed, in a few lines."""
