"""What a library was described with, kept in its folder: the encoder whole, so that searching needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from a2m2.checks import nearest_path
from a2m2.errors import RecordError, WeightsError
from a2m2.nn.digest import tensors_digest
from a2m2.reading import mapping_of, parse_json, shorten, why
from a2m2.recognize.encoder_file import UNUSABLE, encoder_header, encoder_of, encoder_tensors
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Clip, Descriptors
from a2m2.weights import named, read_tensors, write_tensors

FILE = "library.safetensors"
"""The file that makes a folder an index."""
_FORMAT = "a2m2-library-1"
_AGAIN = "index the collection into another folder"


def write_eyes(folder: Path, encoder: ClipEncoder) -> None:
    """Write the encoder of an index, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = encoder_tensors(encoder)
    header = json.dumps(encoder_header(encoder), ensure_ascii=False)
    metadata = {"format": _FORMAT, "header": header, "checksum": tensors_digest(tensors, {"header": header})}
    write_tensors(folder / FILE, tensors, metadata)


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
    metadata, read = read_tensors(path, cure=_AGAIN)
    # Copied to where torch puts tensors itself: the last bits of a product depend on the place in memory.
    tensors = {name: tensor.clone() for name, tensor in read.items()}
    header = metadata.get("header", "")
    if metadata.get("format") != _FORMAT:
        raise WeightsError(
            f"{path} has format {shorten(repr(metadata.get('format')))}, expected {_FORMAT!r}; {_AGAIN}"
        )
    if metadata.get("checksum") != tensors_digest(tensors, {"header": header}):
        raise WeightsError(f"{path} was damaged or changed: its checksum does not fit its content; {_AGAIN}")
    return _encoder(path, header, tensors)


def _encoder(path: Path, header: str, tensors: Mapping[str, Tensor]) -> ClipEncoder:
    try:
        return encoder_of(path, mapping_of(parse_json(header)), tensors, again=_AGAIN)
    except WeightsError as error:
        raise named(path, error) from None
    except UNUSABLE as error:
        raise WeightsError(f"{path} cannot be used ({why(error)}); {_AGAIN}") from None


def describe_alone(encoder: ClipEncoder, clip: Clip) -> Descriptors:
    """Descriptors of one clip. Alone, since the last bits of a product depend on what else is in a batch."""
    with torch.inference_mode():
        return encoder.describe([clip])
