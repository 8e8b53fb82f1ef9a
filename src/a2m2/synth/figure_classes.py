"""The hundred classes of jointed figures of a seed: 64 train, 12 val, 24 test.

A class is a kind of figure and one to three phases, one after the other; in a phase one or two quantities move at the
same time, to their other level (``up``, ``down``) or there and back a few times (``swing``). Its parts are written as
words: ``body.waist_up-left_shoulder_swing&left_elbow_swing``. Classes of different splits never consist of the same
phases, nor of each other's phases backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from a2m2.synth.draws import Draws
from a2m2.synth.skeletons import SKELETONS, Skeleton

Kind = Literal["up", "down", "swing"]

TOGETHER = "&"
_INVERSE: dict[str, Kind] = {"up": "down", "down": "up", "swing": "swing"}
_NUM_PHASES = (1, 2, 2, 2, 3, 3)
"""Drawn from with equal chances."""


@dataclass(frozen=True)
class Move:
    """One quantity in one phase."""

    quantity: str
    kind: Kind

    @property
    def word(self) -> str:
        """``quantity_kind``."""
        return f"{self.quantity}_{self.kind}"


def read_moves(phase: str) -> tuple[Move, ...]:
    """The moves of a phase, from its words."""
    moves = []
    for word in phase.split(TOGETHER):
        quantity, _, kind = word.rpartition("_")
        if kind not in _INVERSE:
            raise ValueError(f"expected moves such as waist_up, got {word!r}")
        moves.append(Move(quantity, _INVERSE[_INVERSE[kind]]))
    return tuple(moves)


def read_class(names: tuple[str, ...]) -> tuple[Skeleton, tuple[tuple[Move, ...], ...]]:
    """The kind of figure and the moves of each phase of a class."""
    kind, _, first = names[0].partition(".")
    return SKELETONS[kind], tuple(read_moves(phase) for phase in (first, *names[1:]))


def first_levels(phases: tuple[tuple[Move, ...], ...]) -> dict[str, int]:
    """The level at which each quantity that moves has to start; a swing alone may start at either, here at 0."""
    levels: dict[str, int] = {}
    for moves in phases:
        for move in moves:
            if move.kind != "swing":
                levels.setdefault(move.quantity, 0 if move.kind == "up" else 1)
    return levels


def draw_figure_class(draws: Draws) -> tuple[str, ...]:
    """The words of one class."""
    skeletons = tuple(SKELETONS.values())
    skeleton = skeletons[draws.index(len(skeletons))]
    levels: dict[str, int] = {}
    phases: list[str] = []
    for _ in range(_NUM_PHASES[draws.index(len(_NUM_PHASES))]):
        swings = draws.flip(0.35)
        words = []
        for quantity in _quantities(draws, skeleton):
            if swings:
                words.append(Move(quantity, "swing").word)
                continue
            level = levels.get(quantity, draws.index(2))
            words.append(Move(quantity, "down" if level else "up").word)
            levels[quantity] = 1 - level
        phases.append(TOGETHER.join(sorted(words)))
    if len(set(phases)) < len(phases):
        return draw_figure_class(draws)
    return (f"{skeleton.name}.{phases[0]}", *phases[1:])


def _quantities(draws: Draws, skeleton: Skeleton) -> tuple[str, ...]:
    """What moves in one phase: mostly one quantity, or a pair that often moves together, or any two."""
    names = tuple(skeleton.quantities)
    chance = draws.uniform()
    if chance < 0.3:
        return skeleton.pairs[draws.index(len(skeleton.pairs))]
    count = 2 if chance < 0.45 else 1
    chosen = tuple(names[i] for i in draws.permutation(len(names))[:count])
    limbs = [lever.limb for name in chosen for lever in skeleton.quantities[name]]
    return chosen if len(set(limbs)) == len(limbs) else chosen[:1]


def figure_family(names: tuple[str, ...]) -> frozenset[frozenset[str]]:
    """What permuted and time-reversed twins of a class have in common."""
    skeleton, phases = read_class(names)
    forward = frozenset({skeleton.name, *(TOGETHER.join(m.word for m in moves) for moves in phases)})
    backward = frozenset(
        {
            skeleton.name,
            *(
                TOGETHER.join(sorted(Move(m.quantity, _INVERSE[m.kind]).word for m in moves))
                for moves in phases
            ),
        }
    )
    return frozenset({forward, backward})
