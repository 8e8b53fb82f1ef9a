"""What a library was described with, kept in its folder: the encoder whole, so that searching needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from a2m2.checks import nearest_path
from a2m2.errors import RecordError
from a2m2.recognize.encoder_file import encoder_header, encoder_of, encoder_tensors, usable
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Clip, Descriptors
from a2m2.weights import read_sealed, write_sealed

FILE = "library.safetensors"
"""The file that makes a folder an index."""
_FORMAT = "a2m2-library-1"
_AGAIN = "index the collection into another folder"


def write_eyes(folder: Path, encoder: ClipEncoder) -> None:
    """Write the encoder of an index, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_sealed(folder / FILE, encoder_tensors(encoder), encoder_header(encoder), form=_FORMAT)


def read_eyes(folder: Path) -> ClipEncoder:
    """The encoder of an index.

    Raises:
        RecordError: the folder is no index.
        WeightsError: the file is damaged, or names a backbone that is not to be had.
    """
    path = folder / FILE
    if not path.is_file():
        hint = "" if folder.is_dir() else nearest_path(folder)
        raise RecordError(f"{folder} is no index of clips: no {FILE}; {hint or 'make one with a2m2 index'}")
    header, tensors = read_sealed(path, form=_FORMAT, what="the encoder of an index", cure=_AGAIN)
    with usable(path, cure=_AGAIN):
        return encoder_of(path, header, tensors, again=_AGAIN)


def describe_clips(encoder: ClipEncoder, clips: Sequence[Clip]) -> Descriptors:
    """Descriptors of clips that are seen together."""
    with torch.inference_mode():
        return encoder.describe(clips)


def describe_alone(encoder: ClipEncoder, clip: Clip) -> Descriptors:
    """Descriptors of one clip. Alone, since the last bits of a product depend on what else is in a batch."""
    return describe_clips(encoder, [clip])
