"""``synth-v1``, the frozen benchmark: seed 1 and defaults, either stratum, any ``timing`` and ``order``.

The digests below were taken when it was frozen. Rendered frames have to agree to the last bit. Encoded and
decoded frames do so only with the same builds of the video libraries, which are named; with others they have
to agree with the rendered frames within the loss of the codec. Tests check all three.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from a2m2.synth.classes import ClassDefinition, draw_classes
from a2m2.synth.settings import Stratum, SynthConfig

V1_SEED = 1

V1_DEFINITIONS: dict[Stratum, str] = {"sets": "3365ccc879d06783", "sequences": "b39922b7cb9ffefa"}
"""Digest of the hundred class definitions of each stratum."""

V1_VIDEO_LIBRARIES = (
    "PyAV 18.1.0, libavcodec 62.28.102, libswscale 9.5.102",
    "PyAV 19.0.2, libavcodec 63.1.102, libswscale 10.1.102",
)
"""The builds of FFmpeg's libraries of which each gives the decoded digests."""


@dataclass(frozen=True)
class ReferenceClip:
    """A clip that stands for the frozen set.

    Attributes:
        stratum, timing, order: its settings; the others are defaults.
        class_index: position of its class among the hundred.
        index: number of the clip.
        rendered: digest of the rendered frames.
        decoded: digest of the decoded luma and chroma planes.
    """

    stratum: Stratum
    timing: float
    order: float
    class_index: int
    index: int
    rendered: str
    decoded: str

    def config(self) -> SynthConfig:
        """The settings of the data set that it belongs to."""
        return SynthConfig(stratum=self.stratum, timing=self.timing, order=self.order, seed=V1_SEED)

    def definition(self) -> ClassDefinition:
        """Its class."""
        return draw_classes(self.stratum, V1_SEED)[self.class_index]


V1_REFERENCE: tuple[ReferenceClip, ...] = (
    ReferenceClip("sets", 0.0, 0.0, 0, 0, "ef95cd27469087da", "3a9d537b03bbfdd2"),
    ReferenceClip("sets", 1.0, 0.0, 76, 7, "6bd1ecd56d261a6e", "6e06b3a0d9be817a"),
    ReferenceClip("sets", 1.0, 1.0, 99, 3, "e528926fed64404c", "9defccaee0c39d94"),
    ReferenceClip("sets", 0.5, 0.5, 70, 1, "932096f32ea220ed", "e92e5cf15535455d"),
    ReferenceClip("sequences", 0.0, 0.0, 0, 0, "eb21389718282333", "66876df694da4cbe"),
    ReferenceClip("sequences", 1.0, 0.0, 99, 5, "42d84c11e3d2a02d", "9836d9b01d793eb6"),
)


def array_digest(array: np.ndarray) -> str:
    """16 hex digits that name the shape and the bytes of a uint8 array."""
    digest = hashlib.sha256(repr(array.shape).encode())
    digest.update(np.ascontiguousarray(array, dtype=np.uint8).tobytes())
    return digest.hexdigest()[:16]
