"""Encoders of ``transformers`` as backbones: convolutional, image transformers, video transformers.

Image encoders see each frame alone. Where the maps are is found out once, when the backbone is built, by a
pass over a blank frame: 4-D hidden states are maps, 3-D ones are patches in a grid behind class and register
tokens.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from a2m2.errors import WeightsError
from a2m2.nn.backbone import Backbone, Frames, StageMaps
from a2m2.nn.batch_norm import freeze_batch_norm
from a2m2.nn.inner_difference import inner_difference, join_difference
from a2m2.nn.layout import Layout, call_encoder, find_layout
from a2m2.nn.sources import LoadedModel, Normalisation
from a2m2.nn.stages import Stages, find_stages, stage_map

_NOT_COMPUTED_WITH = frozenset(
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "transformers_version"}
)


def transformers_backbone(
    loaded: LoadedModel,
    source: str,
    *,
    stages: tuple[str, ...],
    last_stride: int,
    difference: bool = False,
    train_batch_norm: bool = False,
) -> Backbone:
    """The encoder ``loaded`` as a backbone, see :func:`a2m2.nn.load_backbone`; ``source`` names it in errors."""
    layout = find_layout(loaded.model, source)
    # Before the stride changes, so that ``mid`` is the same state either way.
    found = find_stages(loaded.model, layout, stages, source)
    if last_stride == 1:
        _keep_resolution(loaded.model, source)
    if difference:
        join_difference(loaded.model, source)
    if not train_batch_norm:
        freeze_batch_norm(loaded.model)
    kind = ImageEncoder if layout.tubelet == 1 else VideoEncoder
    backbone = kind(loaded.model, layout, found, normalisation=loaded.normalisation, last_stride=last_stride)
    return backbone.eval()


class _Encoder(Backbone):
    """What image and video encoders share."""

    model: Any

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        found: Stages,
        *,
        normalisation: Normalisation,
        last_stride: int,
    ) -> None:
        super().__init__(
            stages=found.names,
            channels=found.channels,
            image_size=layout.native,
            normalisation=normalisation,
        )
        # Whole networks of convolutions run 1.1 to 1.4 times as fast on a CPU with channels last.
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        self.model = model
        self.layout = layout
        self.indices = found.indices
        self.last_stride = last_stride

    def settings(self) -> dict[str, Any]:
        """Class, configuration where it differs from the class's defaults, and stride."""
        config = self.model.config.to_diff_dict()
        settings = {
            "model": type(self.model).__name__,
            "config": {key: value for key, value in config.items() if key not in _NOT_COMPUTED_WITH},
            "last_stride": self.last_stride,
        }
        return settings | ({"difference": True} if self.difference else {})

    def architecture(self) -> dict[str, Any]:
        """The model's configuration and how it is used."""
        config = self.model.config.to_diff_dict()
        return {
            "kind": "transformers",
            "model_type": self.model.config.model_type,
            "config": {key: value for key, value in config.items() if key not in _NOT_COMPUTED_WITH},
            "normalisation": asdict(self.normalisation),
            "stages": list(self.stages),
            "last_stride": self.last_stride,
            "difference": self.difference,
        }

    @property
    def difference(self) -> bool:
        """Whether the last stage sees differences."""
        return inner_difference(self.model) is not None

    def stage_identity(self, stage: str) -> str:
        """The index of the stage's hidden state, whatever name it was asked for by."""
        return str(self.indices[self.stages.index(stage)])


class ImageEncoder(_Encoder):
    """An encoder that sees each frame alone."""

    @property
    def frame_by_frame(self) -> bool:
        """Unless its last stage sees differences."""
        return not self.difference

    def maps(self, pixels: Frames) -> StageMaps:
        """Maps of the chosen stages, frames of all clips side by side in one pass."""
        inner = inner_difference(self.model)
        if inner is not None:
            inner.num_frames = pixels.shape[1]
        grid, outputs = call_encoder(self.model, self.layout, pixels.flatten(0, 1))
        maps = (stage_map(outputs, index, grid) for index in self.indices)
        return tuple(some.unflatten(0, pixels.shape[:2]) for some in maps)


class VideoEncoder(_Encoder):
    """A transformer over space and time whose tokens span a tubelet of frames.

    Frames are repeated evenly to the length the weights were trained on (twice each for 8 frames and
    VideoMAE's 16), so that with as many tubelets as frames every frame gets a map of its own. With fewer
    tubelets the maps are interpolated linearly in time: repeated, they would make every second temporal
    difference zero. Both are our choice.
    """

    def maps(self, pixels: Frames) -> StageMaps:
        """Maps of the chosen stages, one per input frame."""
        num_frames = pixels.shape[1]
        length = self.layout.num_frames or num_frames * self.layout.tubelet
        if num_frames > length:
            raise ValueError(f"expected at most the {length} frames this encoder takes, got {num_frames}")
        repeats = torch.arange(length, device=pixels.device) * num_frames // length
        grid, outputs = call_encoder(self.model, self.layout, pixels.index_select(1, repeats))
        num_tubelets = length // self.layout.tubelet
        maps = (stage_map(outputs, index, grid).unflatten(2, (num_tubelets, -1)) for index in self.indices)
        return tuple(_at_frames(some, num_frames) for some in maps)


def _at_frames(
    maps: Float[Tensor, "batch channel tubelet height width"], num_frames: int
) -> Float[Tensor, "batch time channel height width"]:
    if maps.shape[2] != num_frames:
        size = (num_frames, *maps.shape[-2:])
        maps = functional.interpolate(maps, size=size, mode="trilinear", align_corners=False)
    return maps.transpose(1, 2)


def _keep_resolution(model: Any, source: str) -> None:
    """Set the stride of the last down-sampling to 1; the weights stay as they are."""
    model_type = model.config.model_type
    if model_type == "resnet":
        block = model.encoder.stages[-1].layers[0]
    elif model_type == "mobilenet_v2":
        block = [layer for layer in model.layer if _strided(layer)][-1]
    else:
        raise WeightsError(f"last_stride=1 is for resnet and mobilenet_v2, {source} is a {model_type}; use 2")
    for convolution in _strided(block):
        convolution.stride = (1, 1)


def _strided(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d) and part.stride != (1, 1)]
