"""Procedural action videos with ground truth: motion makes the class, and looks say nothing of it."""

from a2m2.synth.classes import ClassDefinition, definitions_digest, draw_classes, family_of
from a2m2.synth.clip import StyledClip, SynthClip, make_clip
from a2m2.synth.dataset import VERSION, Generated, describe, generate, plan
from a2m2.synth.primitives import PRIMITIVES, Primitive
from a2m2.synth.settings import SynthConfig

__all__ = [
    "PRIMITIVES",
    "VERSION",
    "ClassDefinition",
    "Generated",
    "Primitive",
    "StyledClip",
    "SynthClip",
    "SynthConfig",
    "definitions_digest",
    "describe",
    "draw_classes",
    "family_of",
    "generate",
    "make_clip",
    "plan",
]
