"""One synthetic clip from its class, its number and the settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from a2m2.records import SubActionSpan
from a2m2.synth.classes import ClassDefinition
from a2m2.synth.draws import Draws
from a2m2.synth.look import Look, draw_look
from a2m2.synth.render import render
from a2m2.synth.scene import Scene, draw_scene
from a2m2.synth.settings import SynthConfig
from a2m2.synth.timing import draw_order, draw_schedule


@dataclass(frozen=True, eq=False)
class SynthClip:
    """A clip before it is painted.

    Attributes:
        spans: its sub-actions in the order in which they happen.
        scene: where everything is in every frame.
        look: how everything looks.
        size: height and width of a frame in pixels.
    """

    spans: tuple[SubActionSpan, ...]
    scene: Scene
    look: Look
    size: int

    def frames(
        self, frame_index: Int[np.ndarray, "frame"] | None = None
    ) -> UInt8[np.ndarray, "frame 3 size size"]:
        """Paint the clip, or only the frames asked for."""
        return render(self.scene, self.look, size=self.size, frame_index=frame_index)


def make_clip(config: SynthConfig, definition: ClassDefinition, index: int) -> SynthClip:
    """Clip ``index`` of a class: a pure function of the arguments, whatever else is made.

    Motion, timing, order and look have streams of their own: clips that differ in the knobs ``timing`` and
    ``order`` alone keep their steps, levels and looks. ``clips_per_class`` and ``splits`` of ``config`` play
    no part.
    """
    key = (definition.stratum, config.seed, definition.name, index)
    order = draw_order(Draws("order", *key), len(definition.names), config.order)
    names = tuple(definition.names[i] for i in order)
    schedule = draw_schedule(Draws("timing", *key), len(names), config.timing)
    scene = draw_scene(Draws("motion", *key), names, schedule, config.num_frames)
    look = draw_look(Draws("look", *key), scene.num_objects, config.num_frames, config.size)
    duration = config.num_frames / config.fps
    spans = tuple(
        SubActionSpan(name, start * duration, end * duration)
        for name, (start, end) in zip(names, schedule.spans, strict=True)
    )
    return SynthClip(spans, scene, look, config.size)
