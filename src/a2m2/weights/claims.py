"""What a file claims to hold, compared with what it holds, before anything is built by its word.

Settings are a few bytes and can ask for layers of any size. A network is built only if its file holds the tensors of
these sizes; what no tensor tells has a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from a2m2.methods import descriptor_length, known_method
from a2m2.moments import Scale
from a2m2.nn.config_claims import MAX_NUMBER, MAX_SIDE, check_config, named_in
from a2m2.reading import shorten
from a2m2.settings import M2Settings, VideoSettings
from a2m2.train_settings import NetworkSettings

MAX_CANDIDATES = 65_536
"""Candidates of a clip."""
MAX_CELLS = 4096
"""Regions that a map is cut into at one scale."""
MAX_FRAMES = 4096
MAX_STAGES, MAX_SCALES = 64, 64
MAX_CHANNELS = 4096
"""Channels of a reduced map; descriptors have about half the square of it."""
MAX_STEPS = 100

_FOREIGN = ("auto_map", "backbone", "use_pretrained_backbone", "use_timm_backbone", "quantization_config")
"""Keys by which a configuration has other code or other files opened."""


def check_settings(settings: NetworkSettings) -> None:
    """Refuse settings that would take more memory or time than any network of ours, or name code to import.

    Raises:
        ValueError: which setting, and its limit.
    """
    if not known_method(settings.method):
        raise ValueError(
            f"method {shorten(settings.method)!r} is not one of this package, and a file must not choose what code "
            "is run; name it with --method first"
        )
    _check_video(settings.video)
    _check_m2(settings.m2, settings.video.num_frames)


def check_network(
    settings: NetworkSettings, architecture: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Refuse a network whose parts are larger than the tensors that are there for them.

    Args:
        settings: of the network.
        architecture: of its backbone.
        tensors: by the names of its state dict.

    Raises:
        ValueError: what is claimed, and what is there.
    """
    check_settings(settings)
    m2, a2 = settings.m2, settings.a2
    for stage in range(len(m2.stages)):
        layers = f"encoder.blocks.{stage}.reduction.layers"
        _expect(tensors, f"{layers}.0.weight", {0: m2.hidden})
        _expect(tensors, f"{layers}.3.weight", {0: m2.components or 0, 1: m2.hidden})
        if m2.order == "third":
            _expect(tensors, f"encoder.blocks.{stage}.projection", {0: m2.sketch_length})
    learnt = {"trx": a2.width, "hyrsm": a2.width}.get(settings.method, 1 if a2.weights == "gate" else 0)
    held = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("matcher."))
    if learnt and learnt * descriptor_length(m2) > held:
        raise ValueError(f"a matcher of width {learnt}, but tensors of {held:,} numbers for it")
    _check_architecture(architecture, tensors)


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that hold infinities or what is not a number.

    Raises:
        ValueError: the first is named.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{shorten(name)} is not finite")


def _check_video(video: VideoSettings) -> None:
    if video.num_frames > MAX_FRAMES or video.resize > MAX_SIDE:
        raise ValueError(
            f"{video.num_frames:,} frames of {video.resize:,} pixels, more than {MAX_FRAMES:,} of {MAX_SIDE:,}"
        )


def _check_m2(m2: M2Settings, num_frames: int) -> None:
    for name, count, limit in (
        ("stages", len(m2.stages), MAX_STAGES),
        ("scales", len(m2.scales), MAX_SCALES),
        ("components", m2.components or 0, MAX_CHANNELS),
        ("hidden", m2.hidden, MAX_NUMBER),
        ("newton_steps", m2.newton_steps, MAX_STEPS),
        ("sketch_length", m2.sketch_length, MAX_NUMBER),
    ):
        if count > limit:
            raise ValueError(f"m2.{name} {count:,}, more than {limit:,}")
    num_candidates = 0
    for entries in m2.scales:
        if not 2 <= len(entries) <= 4:
            raise ValueError(f"a scale of {len(entries)} numbers, expected 2 to 4")
        scale = Scale(*entries)
        if scale.regions**2 > MAX_CELLS:
            raise ValueError(
                f"{scale.regions:,} by {scale.regions:,} regions of a map, more than {MAX_CELLS:,}"
            )
        num_candidates += scale.num_windows(num_frames) * scale.regions**2
    if num_candidates > MAX_CANDIDATES:
        raise ValueError(f"{num_candidates:,} candidates a clip, more than {MAX_CANDIDATES:,}")


def _expect(tensors: Mapping[str, Tensor], name: str, sizes: Mapping[int, int]) -> None:
    """Refuse a tensor that is missing or of another size along one of some axes."""
    tensor = tensors.get(name)
    if tensor is None or any(
        axis >= tensor.ndim or tensor.shape[axis] != size for axis, size in sizes.items()
    ):
        there = "is missing" if tensor is None else f"has shape {tuple(tensor.shape)}"
        raise ValueError(f"{name} {there}, which does not fit the settings")


def _check_architecture(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Refuse what a configuration of ``transformers`` cannot be, given these tensors."""
    stages = architecture.get("stages")
    if not isinstance(stages, list) or len(stages) > MAX_STAGES:
        raise ValueError(f"a backbone of stages {shorten(repr(stages))}")
    config = architecture.get("config", {})
    if not isinstance(config, dict):
        raise ValueError("a backbone whose config is no mapping")
    foreign = [key for key in named_in(config) if key in _FOREIGN]
    if foreign:
        raise ValueError(f"a backbone whose config has {foreign[0]}, which is not read from a file")
    check_config(config, len(tensors))
