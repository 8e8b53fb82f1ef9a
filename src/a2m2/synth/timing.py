"""When each sub-action of a clip happens: what the knobs ``timing`` and ``order`` do.

``timing`` m in [0, 1] (our choice, tuned so that alignment has something to find): sub-actions take the share
1 − m·U(.35, .55) of the clip; the start of that compact action is the idle time times Beta(.7, .7), so mostly
near one end or the other; durations are ∝ exp(m·N(0, .35)); pauses between sub-actions take m·U(0, .1) of the
share; the speed profile of each is warped by p ↦ p^exp(m·N(0, .2)). At m = 0 the clip is cut into equal
parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from a2m2.synth.draws import Draws


@dataclass(frozen=True)
class Schedule:
    """The times of one clip's sub-actions, in the order in which they happen.

    Attributes:
        spans: start and end of each in shares of the clip's duration.
        warps: exponent of each speed profile.
    """

    spans: tuple[tuple[float, float], ...]
    warps: tuple[float, ...]

    def progress(self, position: int, times: Float[np.ndarray, "frame"]) -> Float[np.ndarray, "frame"]:
        """Progress in [0, 1] of sub-action ``position`` at each of ``times`` (shares of the duration)."""
        start, end = self.spans[position]
        linear = np.clip((times - start) / (end - start), 0.0, 1.0)
        return np.asarray(linear ** self.warps[position])


def draw_schedule(draws: Draws, num_actions: int, timing: float) -> Schedule:
    """Times of ``num_actions`` sub-actions for the knob ``timing`` in [0, 1]; see the module's formula."""
    share = 1.0 - timing * draws.uniform(0.35, 0.55)
    begin = (1.0 - share) * draws.beta(0.7)
    pause_share = timing * draws.uniform(0.0, 0.1) if num_actions > 1 else 0.0
    durations = np.array([math.exp(timing * 0.35 * draws.normal()) for _ in range(num_actions)])
    durations *= share * (1.0 - pause_share) / durations.sum()
    pauses = draws.uniforms(num_actions - 1, 0.2, 1.0)
    pauses *= share * pause_share / max(pauses.sum(), 1e-9)
    warps = tuple(math.exp(timing * 0.2 * draws.normal()) for _ in range(num_actions))
    starts = begin + np.concatenate([[0.0], np.cumsum(durations[:-1] + pauses)])
    spans = tuple((float(a), min(float(a + d), 1.0)) for a, d in zip(starts, durations, strict=True))
    return Schedule(spans, warps)


def draw_order(draws: Draws, num_actions: int, order: float) -> tuple[int, ...]:
    """The order in which a clip of a set class runs through its sub-actions.

    Our choice: with probability ``order`` a uniformly random permutation, otherwise the class's canonical
    order. The canonical order therefore has probability (1 − order) + order / n!.
    """
    permutation = draws.permutation(num_actions)
    return permutation if draws.flip(order) else tuple(range(num_actions))
