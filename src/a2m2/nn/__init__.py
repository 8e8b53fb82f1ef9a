"""Networks: backbones, calibration, reduction, and the M² block that turns feature maps into descriptors."""

from a2m2.nn.backbone import Backbone
from a2m2.nn.backbones import build_backbone, load_backbone
from a2m2.nn.batch_norm import FrozenBatchNorm, freeze_batch_norm
from a2m2.nn.calibration import Calibration, CalibrationKind
from a2m2.nn.encoder import Encoder, join_descriptors
from a2m2.nn.m2 import M2Block
from a2m2.nn.positions import MomentAccumulator
from a2m2.nn.reduction import ConvReduction, LinearReduction, Reduction, ReductionModule, fit_reduction

__all__ = [
    "Backbone",
    "Calibration",
    "CalibrationKind",
    "ConvReduction",
    "Encoder",
    "FrozenBatchNorm",
    "LinearReduction",
    "M2Block",
    "MomentAccumulator",
    "Reduction",
    "ReductionModule",
    "build_backbone",
    "fit_reduction",
    "freeze_batch_norm",
    "join_descriptors",
    "load_backbone",
]
