"""How an encoder of ``transformers`` takes its input, and how its tokens lie in space and time."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from a2m2.errors import WeightsError


@dataclass(frozen=True)
class Layout:
    """How an encoder takes its input and where its maps lie.

    Attributes:
        argument: name of the pixels' argument.
        options: further arguments of every call.
        patch: height and width of a patch, or None for a convolutional encoder.
        native: height and width of the frames the weights were trained on, or None.
        resizable: other sizes are possible.
        interpolate: other sizes need ``interpolate_pos_encoding=True``.
        tubelet: frames that share one token in time; 1 for an image encoder.
        num_frames: frames that a video encoder takes at once, None for any number.
    """

    argument: str
    options: Mapping[str, Any]
    patch: tuple[int, int] | None
    native: tuple[int, int] | None
    resizable: bool
    interpolate: bool
    tubelet: int = 1
    num_frames: int | None = None

    def grid(self, height: int, width: int) -> tuple[int, int] | None:
        """Rows and columns of patches of a frame."""
        return None if self.patch is None else (height // self.patch[0], width // self.patch[1])

    def probe_size(self) -> tuple[int, int]:
        """A small frame size that the encoder takes."""
        if not self.resizable and self.native is not None:
            return self.native
        patch = self.patch or (32, 32)
        return (-(-128 // patch[0]) * patch[0], -(-128 // patch[1]) * patch[1])


def call_encoder(model: Any, layout: Layout, pixels: Tensor) -> tuple[tuple[int, int] | None, Any]:
    """Grid of tokens (time and height in one for videos) and outputs, all hidden states included."""
    height, width = pixels.shape[-2:]
    options = dict(layout.options)
    if layout.native is not None and (height, width) != layout.native:
        if not layout.resizable:
            raise ValueError(
                f"expected frames of {layout.native[0]} × {layout.native[1]} pixels, the only size this "
                f"encoder takes, got {height} × {width}; resize them"
            )
        if layout.interpolate:
            options["interpolate_pos_encoding"] = True
    grid = layout.grid(height, width)
    if grid is not None and min(grid) < 1:
        raise ValueError(
            f"expected frames of at least one patch {layout.patch}, got {height} × {width} pixels"
        )
    if grid is not None and layout.tubelet > 1:
        grid = (grid[0] * (pixels.shape[1] // layout.tubelet), grid[1])
    return grid, model(**{layout.argument: pixels}, output_hidden_states=True, **options)


def find_layout(model: Any, source: str) -> Layout:
    """Read an encoder's layout from its configuration.

    Raises:
        WeightsError: not an encoder of images, or of videos with tokens in an order that we do not know.
    """
    config = model.config
    argument = getattr(model, "main_input_name", "")
    if argument not in ("pixel_values", "pixel_values_videos"):
        raise WeightsError(
            f"{source} is a {config.model_type}, which reads no images; expected an image or video encoder"
        )
    native = _pair(getattr(config, "image_size", None))
    patch = _pair(getattr(config, "patch_size", None))
    if config.model_type == "videomae":
        return Layout(argument, {}, patch, native, False, False, config.tubelet_size, config.num_frames)
    if config.model_type == "vjepa2":
        # Its rotary positions are counted on the grid of the training size: another size would be misread.
        native = _pair(config.crop_size)
        options = {"skip_predictor": True}
        return Layout(argument, options, patch, native, False, False, config.tubelet_size)
    if argument == "pixel_values_videos" or hasattr(config, "num_frames"):
        raise WeightsError(
            f"{source} is a {config.model_type}, a video encoder whose tokens we cannot place; "
            "expected videomae, vjepa2 or an image encoder"
        )
    interpolate = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
    resizable = interpolate or _encodes_any_size(model)
    return Layout(argument, {}, patch, native, resizable, interpolate)


def _encodes_any_size(model: Any) -> bool:
    """Whether positions are interpolated inside, or not kept in a table at all (convolutions, rotations)."""
    inside = any(hasattr(module, "interpolate_pos_encoding") for module in model.modules())
    return inside or not any("position_emb" in name or "pos_emb" in name for name in model.state_dict())


def _pair(size: int | Iterable[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if isinstance(size, int):
        return (size, size)
    height, width = size
    return (height, width)
