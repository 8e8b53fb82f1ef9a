"""One synthetic clip from its class, its number and the settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from a2m2.records import SubActionSpan
from a2m2.synth.classes import ClassDefinition
from a2m2.synth.draws import Draws
from a2m2.synth.figure import draw_figure
from a2m2.synth.look import Look, draw_look
from a2m2.synth.paint import paint
from a2m2.synth.parts import parts_of_scene
from a2m2.synth.render import render
from a2m2.synth.scene import Scene, draw_scene
from a2m2.synth.settings import SynthConfig
from a2m2.synth.styles import Dress, dress
from a2m2.synth.timing import draw_order, draw_schedule

CRF = 20
"""Quality of H.264 for plain clips. Most of what is lost is chroma at half size; 18 doubles the files for 0.3 dB."""


@dataclass(frozen=True, eq=False)
class SynthClip:
    """A plain clip before it is painted.

    Attributes:
        spans: its sub-actions in the order in which they happen.
        scene: where everything is in every frame.
        look: how everything looks.
        size: height and width of a frame in pixels.
        crf: quality of its video file, the constant rate factor of H.264.
    """

    spans: tuple[SubActionSpan, ...]
    scene: Scene
    look: Look
    size: int
    crf: int = CRF

    def frames(
        self, frame_index: Int[np.ndarray, "frame"] | None = None
    ) -> UInt8[np.ndarray, "frame 3 size size"]:
        """Paint the clip, or only the frames asked for."""
        return render(self.scene, self.look, size=self.size, frame_index=frame_index)


@dataclass(frozen=True, eq=False)
class StyledClip:
    """A clip of another style, or of a figure, before it is painted.

    Attributes:
        spans: its sub-actions in the order in which they happen.
        dress: what moves, and how everything looks.
        size: height and width of a frame in pixels.
    """

    spans: tuple[SubActionSpan, ...]
    dress: Dress
    size: int

    @property
    def crf(self) -> int:
        """Quality of its video file, the constant rate factor of H.264."""
        return self.dress.lens.crf

    def frames(
        self, frame_index: Int[np.ndarray, "frame"] | None = None
    ) -> UInt8[np.ndarray, "frame 3 size size"]:
        """Paint the clip, or only the frames asked for."""
        dress = self.dress
        wanted = np.arange(len(dress.camera)) if frame_index is None else np.asarray(frame_index)
        painted = paint(
            dress.parts,
            outlines=dress.outlines,
            surfaces=dress.surfaces,
            grain=dress.grain,
            background=dress.background,
            camera=dress.camera,
            line=dress.line * self.size,
            softness=dress.softness,
            size=self.size,
            frame_index=wanted,
        )
        return dress.lens.film(painted, wanted)


def make_clip(config: SynthConfig, definition: ClassDefinition, index: int) -> SynthClip | StyledClip:
    """Clip ``index`` of a class: a pure function of the arguments, whatever else is made.

    Motion, timing, order and look have streams of their own: clips that differ in the knobs ``timing`` and
    ``order`` or in ``style`` alone keep their steps and levels, and in the knobs alone their looks too.
    ``clips_per_class`` and ``splits`` of ``config`` play no part.
    """
    key = (definition.stratum, config.seed, definition.name, index)
    order = draw_order(Draws("order", *key), len(definition.names), config.order)
    names = tuple(definition.names[i] for i in order)
    schedule = draw_schedule(Draws("timing", *key), len(names), config.timing)
    duration = config.num_frames / config.fps
    spans = tuple(
        SubActionSpan(name, start * duration, end * duration)
        for name, (start, end) in zip(names, schedule.spans, strict=True)
    )
    motion, looks = Draws("motion", *key), Draws("look", *key)
    if definition.stratum == "figures":
        parts = draw_figure(motion, names, schedule, config.num_frames)
    else:
        scene = draw_scene(motion, names, schedule, config.num_frames)
        if config.style == "plain":
            look = draw_look(looks, scene.num_objects, config.num_frames, config.size)
            return SynthClip(spans, scene, look, config.size)
        parts = parts_of_scene(scene, looks.permutation(scene.num_objects))
    return StyledClip(spans, dress(looks, parts, config.style, config.num_frames), config.size)
