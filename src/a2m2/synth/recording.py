"""Long synthetic recordings: actions at known times, idle stretches between them, and now and then a cut.

A recording is a row of takes. A take is one unbroken scene: idle, an action, idle, perhaps another action of the same
cast, idle. Actions share a take while their sub-actions can follow each other (an object that has appeared cannot
appear once more); where they cannot, there is a cut to another scene, and often where they could.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from a2m2.synth.classes import ClassDefinition
from a2m2.synth.draws import Draws
from a2m2.synth.look import draw_look
from a2m2.synth.primitives import first_levels
from a2m2.synth.render import render
from a2m2.synth.scene import draw_scene
from a2m2.synth.settings import SynthConfig
from a2m2.synth.timing import Schedule, draw_schedule

_ACTION_SECONDS = (1.5, 2.8)
_IDLE_SECONDS = (0.8, 3.0)
_MARGIN_SECONDS = (0.0, 0.2)
"""Around the action in a clip of its own."""
_CUT = 0.5
"""Probability of a cut where none is needed."""


@dataclass(frozen=True)
class PlacedAction:
    """An action and when it happens, in frames of its take.

    Attributes:
        definition: its class.
        start, end: first frame, and one past the last.
        schedule: its sub-actions, in shares of the action.
    """

    definition: ClassDefinition
    start: int
    end: int
    schedule: Schedule


@dataclass(frozen=True)
class Take:
    """One unbroken scene.

    Attributes:
        key: names its random streams.
        num_frames: its length.
        actions: what happens, in order.
    """

    key: tuple[int | str, ...]
    num_frames: int
    actions: tuple[PlacedAction, ...]

    def frames(self, config: SynthConfig) -> UInt8[np.ndarray, "frame 3 size size"]:
        """Paint it."""
        names, schedule = _joined(self)
        scene = draw_scene(Draws("take motion", *self.key), names, schedule, self.num_frames)
        look = draw_look(Draws("take look", *self.key), scene.num_objects, self.num_frames, config.size)
        return render(scene, look, size=config.size)


@dataclass(frozen=True)
class TimedAction:
    """An action of a recording: its class, start and end in seconds."""

    class_name: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Recording:
    """A recording before it is painted.

    Attributes:
        config: size and rate of the frames, and the seed.
        takes: in order.
    """

    config: SynthConfig
    takes: tuple[Take, ...]

    @property
    def num_frames(self) -> int:
        """Length in frames."""
        return sum(take.num_frames for take in self.takes)

    def actions(self) -> tuple[TimedAction, ...]:
        """The ground truth, in order."""
        found, before = [], 0
        for take in self.takes:
            for action in take.actions:
                start, end = before + action.start, before + action.end
                name = action.definition.name
                found.append(TimedAction(name, start / self.config.fps, end / self.config.fps))
            before += take.num_frames
        return tuple(found)

    def frames(self) -> Iterator[UInt8[np.ndarray, "frame 3 size size"]]:
        """Paint it, a take at a time."""
        for take in self.takes:
            yield take.frames(self.config)


def draw_recording(
    config: SynthConfig, definitions: Sequence[ClassDefinition], *, seconds: float, number: int
) -> Recording:
    """Recording ``number`` of at least ``seconds``: a pure function of the arguments.

    Args:
        config: size, rate, seed and timing; its ``num_frames`` plays no part.
        definitions: the classes, all equally likely.
        seconds: length; the last take ends after it.
        number: tells recordings of the same settings apart.
    """
    key = ("recording", config.stratum, config.seed, number)
    draws = Draws(*key)
    takes: list[Take] = []
    num_frames = 0
    while num_frames < seconds * config.fps:
        take = _draw_take(draws, (*key, len(takes)), config, definitions)
        takes.append(take)
        num_frames += take.num_frames
    return Recording(config, tuple(takes))


def trimmed_clip(config: SynthConfig, definition: ClassDefinition, index: int) -> Take:
    """Clip ``index`` of a class as someone cuts it who enrols it: the action, and a blink at either end."""
    key = ("trimmed", config.stratum, config.seed, definition.name, index)
    draws = Draws(*key)
    before, after = (round(draws.uniform(*_MARGIN_SECONDS) * config.fps) for _ in range(2))
    action = _draw_action(draws, config, definition, start=before)
    return Take(key, action.end + after, (action,))


def _draw_take(
    draws: Draws, key: tuple[int | str, ...], config: SynthConfig, definitions: Sequence[ClassDefinition]
) -> Take:
    actions: list[PlacedAction] = []
    names: tuple[str, ...] = ()
    end = _idle(draws, config)
    while True:
        definition = definitions[draws.index(len(definitions))]
        names = (*names, *definition.names)
        if actions and (draws.flip(_CUT) or not _is_legal(names)):
            return Take(key, end, tuple(actions))
        actions.append(_draw_action(draws, config, definition, start=end))
        end = actions[-1].end + _idle(draws, config)


def _draw_action(
    draws: Draws, config: SynthConfig, definition: ClassDefinition, *, start: int
) -> PlacedAction:
    length = round(draws.uniform(*_ACTION_SECONDS) * config.fps)
    schedule = draw_schedule(draws, len(definition.names), config.timing)
    first, last = schedule.spans[0][0], schedule.spans[-1][1]
    spans = tuple(((a - first) / (last - first), (b - first) / (last - first)) for a, b in schedule.spans)
    return PlacedAction(definition, start, start + length, Schedule(spans, schedule.warps))


def _idle(draws: Draws, config: SynthConfig) -> int:
    return round(draws.uniform(*_IDLE_SECONDS) * config.fps)


def _is_legal(names: tuple[str, ...]) -> bool:
    try:
        first_levels(names)
    except ValueError:
        return False
    return True


def _joined(take: Take) -> tuple[tuple[str, ...], Schedule]:
    """All sub-actions of a take, and their times in shares of it."""
    names: list[str] = []
    spans: list[tuple[float, float]] = []
    warps: list[float] = []
    for action in take.actions:
        names += action.definition.names
        length = action.end - action.start
        spans += [
            ((action.start + a * length) / take.num_frames, (action.start + b * length) / take.num_frames)
            for a, b in action.schedule.spans
        ]
        warps += action.schedule.warps
    return tuple(names), Schedule(tuple(spans), tuple(warps))
