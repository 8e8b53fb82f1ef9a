"""Small JPEG pictures of a clip's sampled frames."""

from __future__ import annotations

import io

import torch
from PIL import Image

from a2m2.structures import Clip
from a2m2.video import resize_short

_PIXELS = 112
_QUALITY = 85


def jpeg_thumbnails(clip: Clip) -> tuple[bytes, ...]:
    """One JPEG file a sampled frame, the short side 112 pixels."""
    small = resize_short(clip.frames.float() / 255, _PIXELS)
    pixels = (small * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return tuple(_jpeg(Image.fromarray(picture)) for picture in pixels.numpy())


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
